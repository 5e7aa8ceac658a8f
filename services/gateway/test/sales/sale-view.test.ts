// Goal: a buyer reads of a sale what a reservation would be answered now. Method: the view on made-up states.
import type { SaleRecord, StockState } from '@seckill/contracts';
import t from 'tap';
import { readIdempotencyKey } from '../../src/routes/idempotency-key.ts';
import { rejectionProblem } from '../../src/rejection-problem.ts';
import { listChannels, SaleReading, type SaleAnswer } from '../../src/sales/sale-reading.ts';
import { matchesEtag, retiredState, viewSale } from '../../src/sales/sale-view.ts';

const opensAt = Date.parse('2026-11-22T12:00:00.000Z');
const closesAt = opensAt + 600_000;
const price = { amount: 2_990, currency: 'CNY' };

const record: SaleRecord = {
  definition: {
    id: 'oranges',
    title: 'Oranges',
    opensAt: '2026-11-22T12:00:00.000Z',
    closesAt: '2026-11-22T12:10:00.000Z',
    holdSeconds: 900,
    items: [{ sku: 'o', title: 'O', price, total: 10 }],
    channels: [{ id: 'c', kind: 'community', title: 'C', partnerId: 'p', pickupPointId: 's', cap: 5 }],
  },
  version: 3,
  state: 'open',
  acknowledged: true,
};

function stock(
  changes: Partial<StockState> = {},
  item: Partial<StockState['items'][number]> = {},
): StockState {
  return {
    saleId: 'oranges',
    gate: 'open',
    epoch: 1,
    version: 3,
    sequence: 0,
    now: opensAt + 1,
    state: 'open',
    opensAt,
    closesAt,
    outbox: 0,
    items: [{ sku: 'o', total: 10, available: 10, held: 0, paid: 0, ...item }],
    ...changes,
  };
}
const view = (state: StockState) => viewSale(record, state);

await t.test('the state follows the window by the clock of Redis', async (t) => {
  t.equal(view(stock({ now: opensAt - 1 })).state, 'scheduled');
  t.equal(view(stock({ now: opensAt })).state, 'open');
  t.equal(view(stock({ now: closesAt - 1 })).state, 'open');
  t.equal(view(stock({ now: closesAt })).state, 'closed');
  t.equal(view(stock({ state: 'paused' })).state, 'paused');
  t.equal(view(stock({ state: 'paused', now: closesAt })).state, 'closed');
  t.equal(view(stock({ state: 'closed' })).state, 'closed');
});

await t.test('a closed gate is loading, with the total on offer before the first load', async (t) => {
  for (const gate of ['missing', 'rebuilding', 'stale'] as const) {
    const sale = view(stock({ gate, items: [] }));
    t.equal(sale.state, 'loading');
    t.match(sale.items[0], { total: 10, available: 10, held: 0, paid: 0, soldOut: 'no' });
  }
});

await t.test('"sold out" is told apart: units are held, or all are paid', async (t) => {
  const soldOut = (item: Partial<StockState['items'][number]>, changes: Partial<StockState> = {}) =>
    view(stock(changes, item)).items[0]?.soldOut;
  t.equal(soldOut({ available: 1, held: 9 }), 'no');
  t.equal(soldOut({ available: 0, held: 1, paid: 9 }), 'held');
  t.equal(soldOut({ available: 0, held: 0, paid: 10 }), 'final');
  t.equal(soldOut({ available: 5, held: 5 }, { state: 'closed' }), 'final');
});

await t.test('a retired sale is read from order alone', async (t) => {
  t.equal(retiredState(record), undefined);
  const retired = { ...record, retired: { items: [{ sku: 'o', total: 12, paid: 7 }] } };
  const state = retiredState(retired);
  t.ok(state);
  const sale = viewSale(retired, state ?? stock());
  t.match(sale, {
    state: 'closed',
    items: [{ total: 12, available: 5, held: 0, paid: 7, soldOut: 'final' }],
  });
});

interface Shown {
  channels?: unknown[];
  serverTime: string;
}
const textOf = ({ head, tail }: SaleAnswer) => head.with(tail);
const shown = (answer: SaleAnswer) => JSON.parse(textOf(answer)) as Shown;
const tagOf = (state: StockState) => new SaleReading(record, state).publicAnswer(state.now, undefined).etag;

await t.test('channels are shown to those who ask, partner and cap to operators', async (t) => {
  const reading = new SaleReading(record, stock());
  t.notOk('channels' in shown(reading.publicAnswer(opensAt, undefined)), 'nobody asked');
  const open = { id: 'c', kind: 'community', title: 'C', pickupPointId: 's' };
  t.strictSame(shown(reading.publicAnswer(opensAt, 'c')).channels, [open]);
  t.strictSame(shown(reading.publicAnswer(opensAt, 'x')).channels, [], 'the sale has none of that name');
  t.strictSame(JSON.parse(textOf(listChannels(record))), { channels: [open] });
  t.strictSame(shown(reading.operatorAnswer()).channels, record.definition.channels);
  t.strictSame(shown(reading.operatorAnswer('c')).channels, record.definition.channels);
  t.strictSame(shown(reading.operatorAnswer('x')).channels, []);
});

await t.test('the clock is that of the moment, not that of the counts', async (t) => {
  const reading = new SaleReading(record, stock());
  t.equal(shown(reading.publicAnswer(opensAt + 700, undefined)).serverTime, '2026-11-22T12:00:00.700Z');
  t.equal(shown(reading.publicAnswer(opensAt + 800, 'c')).serverTime, '2026-11-22T12:00:00.800Z');
});

await t.test('the tag changes with the counts and with what is shown, not with the clock', async (t) => {
  const tag = tagOf(stock());
  t.match(tag, /^W\/"[\w-]{22}"$/);
  t.equal(tagOf(stock({ now: opensAt + 500 })), tag);
  t.not(tagOf(stock({}, { available: 9, held: 1 })), tag);
  const reading = new SaleReading(record, stock());
  const tags = [
    reading.publicAnswer(0, undefined),
    reading.publicAnswer(0, 'c'),
    reading.publicAnswer(0, 'd'),
    reading.operatorAnswer(),
    listChannels(record),
  ].map(({ etag }) => etag);
  t.equal(new Set(tags).size, tags.length, 'each representation has its own');
  t.ok(matchesEtag(`"x", ${tag}`, tag));
  t.ok(matchesEtag(tag.slice(2), tag), 'compared as weak tags');
  t.ok(matchesEtag('*', tag));
  t.notOk(matchesEtag(undefined, tag));
  t.notOk(matchesEtag('"x"', tag));
});

await t.test('a quoted key equals the bare one; a missing or malformed one is told by field', async (t) => {
  t.equal(readIdempotencyKey('"abc"'), 'abc');
  t.equal(readIdempotencyKey('abc'), 'abc');
  t.equal(readIdempotencyKey('"a\\"b"'), 'a"b');
  t.equal(readIdempotencyKey('k'.repeat(255)).length, 255);
  for (const bad of [undefined, '', '""', 'a b', 'a, b', 'k'.repeat(256), 'ключ', ['a']]) {
    t.throws(() => readIdempotencyKey(bad), { code: 'invalid_request', extra: { field: 'Idempotency-Key' } });
  }
});

await t.test('a client that waits as told finds the sale open', async (t) => {
  const problem = rejectionProblem({
    outcome: 'sale_not_open',
    opensAt: record.definition.opensAt,
    waitMs: 1_001,
  });
  t.match(problem, { retryAfterSeconds: 2, extra: { opensAt: record.definition.opensAt } });
});
