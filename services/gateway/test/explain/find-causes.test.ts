// Goal: what is told of a sale is what the services know, and no more.
// Method: the words themselves, from what stock and order answer. What really happens is shown by
// test/invariants/explain.test.ts and test/faults/explain.test.ts.
import type { StockStanding, StockState } from '@seckill/contracts';
import { test } from 'tap';
import { explain } from '../../src/explain/explanation.ts';

const STATE: StockState = {
  saleId: 'pears',
  gate: 'open',
  epoch: 1,
  version: 1,
  sequence: 0,
  now: 1_000,
  state: 'open',
  opensAt: 0,
  closesAt: 9_000,
  outbox: 0,
  items: [{ sku: 'a', total: 1, available: 1, held: 0, paid: 0 }],
};
const STOCK: StockStanding = { kafka: 'answers', outboxMax: 9, fullChannels: [] };

const tell = (stock: Partial<StockStanding>) =>
  explain('pears', { stock: { ...STOCK, ...stock }, orderCause: 'order_away' }, 'en');

await test('without order a lane that is missing is no sale that opens by itself', async (t) => {
  const missing = { ...STATE, gate: 'missing' as const };
  const told = tell({ state: missing });
  t.match(told.because, [{ code: 'gate_missing', stops: 'all' }, { code: 'order_away' }]);
  t.notOk(told.state, 'nobody knows whether there is such a sale');
  const known = tell({ state: missing, closedSince: 500 });
  t.match(known, { state: 'loading', because: [{ code: 'gate_closed' }, { code: 'order_away' }] });
  t.match(tell({ state: { ...STATE, gate: 'rebuilding' } }).because, [{ code: 'gate_closed' }, {}]);
});

await test('a damaged lane is not told as a Redis that is away', async (t) => {
  t.match(tell({}).because, [{ code: 'redis_away', stops: 'all' }, {}]);
  const told = tell({ isDamaged: true, closedSince: 500 });
  t.match(told.because, [{ code: 'lane_damaged', stops: 'all', since: '1970-01-01T00:00:00.500Z' }, {}]);
  t.match(tell({ isDamaged: true, state: STATE }), {
    selling: true,
    because: [{ code: 'lane_damaged', stops: 'part' }, {}],
  });
});
