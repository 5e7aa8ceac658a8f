// Goal: the demo ends with what a partner and a pick-up point want to know.
// Method: a report and a list as the API answers them.
import type { SaleReport } from '@seckill/contracts';
import { test } from 'tap';
import { formatBoard } from '../../src/demo/partner-board.ts';

const cny = (amount: number) => ({ amount, currency: 'CNY' });
const sold = (paid: number, amount: number, back = 0) => ({
  units: { pending: 0, paid, cancelled: 0, expired: 0, refused: 0 },
  amounts: { pending: cny(0), paid: cny(amount), cancelled: cny(0), expired: cny(0), refused: cny(0) },
  amountPaid: cny(amount),
  returned: back > 0 ? 1 : 0,
  restocked: 0,
  amountReturned: cny(back),
  commissionBase: cny(amount - back),
});
const ref = {
  ref: 'note-1',
  paidUnits: 2,
  amountPaid: cny(200),
  amountReturned: cny(0),
  commissionBase: cny(200),
};

const REPORT: SaleReport = {
  saleId: 'oranges',
  asOf: '2026-11-29T12:00:00.000Z',
  totals: { total: 10, available: 5, ...sold(5, 500, 100), refundDue: 1 },
  items: [],
  channels: [
    { id: 'xingfu-li', kind: 'community', title: 'X', partnerId: 'p-7', ...sold(4, 400, 100), refs: [ref] },
    { id: 'xhs', kind: 'content', title: 'Y', ...sold(0, 0), refs: [] },
  ],
  direct: { ...sold(1, 100), refs: [] },
  partners: [],
  perMinute: [],
  refunds: [],
  leftOut: { refs: 0, minutes: 0 },
};

await test('units and money of each channel, and the list of one pick-up point', async (t) => {
  const list = {
    data: [{ orderId: 'o', userId: 'u1', code: '406228', lines: [{ sku: 'orange', quantity: 2 }] }],
    load: [{ sku: 'orange', units: 3 }],
    nextCursor: 'x',
  };
  const place = { saleId: 'oranges', channelId: 'xingfu-li', pickupPointId: 'store-3', list };
  const lines = formatBoard({ reports: [REPORT], pickups: place });
  const cells = lines.map((line) => line.trim().split(/ {2,}/).join('|'));
  t.same(cells.slice(2), [
    'sale|channel|partner|paid|returned|money|commission base|best ref',
    'oranges|xingfu-li|p-7|4|1|4.00 CNY|3.00 CNY|note-1 (2)',
    'oranges|xhs|-|0|0|0.00 CNY|0.00 CNY|-',
    'oranges|(none)|-|1|0|1.00 CNY|1.00 CNY|-',
    '',
    'Pick-ups of oranges at store-3 (xingfu-li); to bring there: 3 × orange',
    '406228|2 × orange|u1',
    '…',
  ]);
  t.notMatch(formatBoard({ reports: [REPORT], pickups: undefined }).join('\n'), /Pick-ups/);
});
