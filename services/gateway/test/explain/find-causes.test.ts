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
  explain('pears', { stock: { ...STOCK, ...stock }, orderAway: { cause: 'order_away' } }, 'en');

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

await test('what is away is told with the time since when, where anybody knows it', async (t) => {
  const told = explain(
    'pears',
    { stockAwaySince: 500, orderAway: { cause: 'postgres_away', since: 700 } },
    'en',
  );
  t.match(told.because, [
    { code: 'stock_away', since: '1970-01-01T00:00:00.500Z' },
    { code: 'postgres_away', since: '1970-01-01T00:00:00.700Z' },
  ]);
  const away = { kafka: 'away' as const, kafkaAwaySince: 600, state: STATE };
  t.match(tell(away).because, [{ code: 'order_away' }, { code: 'kafka_away', since: /00\.600Z$/ }]);
  t.match(
    tell({ ...away, oldestWaiting: 400 }).because,
    [{}, { code: 'kafka_away', since: /00\.400Z$/ }],
    'a reservation has waited for longer than anybody asked Kafka',
  );
});

await test('services of the release before sell, and it is said that they cannot tell more', async (t) => {
  const told = explain(
    'pears',
    { stock: { state: STATE, fullChannels: [] }, orderAway: { cause: 'order_older' } },
    'en',
  );
  t.match(told, {
    selling: true,
    state: 'open',
    because: [
      { code: 'stock_older', stops: 'nothing' },
      { code: 'order_older', stops: 'nothing' },
    ],
    items: [{ sku: 'a', available: 1 }],
  });
  t.notOk('outboxMax' in told.onTheWay);
});
