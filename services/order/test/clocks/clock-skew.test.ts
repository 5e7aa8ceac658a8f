// Goal: when the clocks of Redis and Postgres differ by more than holds allow for, a person hears of it, and
// only then.
// Method: a real Postgres and support/stock.ts, which tells whatever time the test wants; chosen numbers for
// the bound.
import { systemClock, type Clock, type Logger } from '@seckill/runtime';
import { silent } from '@seckill/testing';
import { test } from 'tap';
import { ClockSkew, createClockStore, type ClockSkewDeps } from '../../src/clocks/clock-skew.ts';
import { createStockClient } from '../../src/stock-client.ts';
import { createDatabase } from '../support/database.ts';
import { createTestMetrics } from '../support/build.ts';
import { createStock, TOKENS } from '../support/stock.ts';

type Sources = Pick<ClockSkewDeps, 'store' | 'stock'> & { clock?: Clock };

function buildClockSkew({ store, stock, clock = systemClock }: Sources) {
  const metrics = createTestMetrics();
  const alarms: unknown[] = [];
  const listening = Object.create(silent, {
    error: { value: (context: unknown) => alarms.push(context) },
  }) as Logger;
  const clockSkew = new ClockSkew({ store, stock, clock, logger: listening, metrics, random: () => 1 });
  const read = async () => ({
    gauge: (await metrics.clockSkewSeconds.get()).values[0]?.value ?? 0,
    alarms: (await metrics.clockSkewAlarms.get()).values[0]?.value ?? 0,
  });
  return { clockSkew, alarms, read };
}

await test('a right clock of Redis raises no alarm, one that is ahead or behind raises one', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const client = createStockClient({ url: stock.url, token: TOKENS.order, connections: 1 });
  t.teardown(() => client.close());
  const { clockSkew, alarms, read } = buildClockSkew({ store: createClockStore(pool), stock: client });
  // Both engines run on this machine. The first call is the slowest, and its skew lies within its own
  // uncertainty too.
  const table: [aheadMs: number, alarms: number][] = [
    [0, 0],
    [300, 0],
    [2_000, 1],
    [-2_000, 2],
    [0, 2],
  ];
  for (const [aheadMs, expected] of table) {
    stock.clockAheadMs = aheadMs;
    const { skewMs, uncertaintyMs } = await clockSkew.pass();
    t.ok(uncertaintyMs > 0 && uncertaintyMs < 500, `${aheadMs} ms: within ${uncertaintyMs.toFixed(1)} ms`);
    // Stock tells whole milliseconds.
    t.ok(Math.abs(skewMs - aheadMs) <= uncertaintyMs + 1, `measured ${skewMs.toFixed(1)} ms`);
    t.same(await read(), { gauge: skewMs / 1_000, alarms: expected });
  }
  t.match(alarms, [{ skewMs: Number }, { skewMs: Number }], 'each told');
  t.equal(alarms.length, 2);
});

await test('a skew raises an alarm only when it is certain: more than 500 ms beyond half of what the question took', async (t) => {
  const table: [before: number, redis: number, after: number, isAlarm: boolean][] = [
    [1_000, 1_500, 1_000, false],
    [1_000, 1_501, 1_000, true],
    [1_000, 499, 1_000, true],
    [1_000, 3_500, 3_000, false],
    [1_000, 3_501, 3_000, true],
    [1_000, 500, 3_000, false],
    [1_000, 499, 3_000, true],
    // Postgres' clock was set back meanwhile.
    [3_000, 3_500, 1_000, false],
  ];
  for (const [before, redis, after, isAlarm] of table) {
    const times = [before, after];
    const { clockSkew, alarms } = buildClockSkew({
      store: { readClock: async () => times.shift() ?? 0 },
      stock: { readClock: async () => redis },
    });
    await clockSkew.pass();
    t.equal(alarms.length === 1, isAlarm, `${before}, ${redis}, ${after}`);
  }
});

await test('while stock is away the skew is not known, and is measured when it is back', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const client = createStockClient({ url: stock.url, token: TOKENS.order, connections: 1 });
  t.teardown(() => client.close());
  const stop = new AbortController();
  const sleeps: number[] = [];
  const gauges: number[] = [];
  const clock: Clock = {
    now: () => 0,
    async sleep(ms) {
      sleeps.push(ms);
      gauges.push((await read()).gauge);
      if (sleeps.length === 1) await stock.down();
      if (sleeps.length === 6) await stock.up();
      if (sleeps.length === 7) stop.abort();
    },
  };
  const { clockSkew, alarms, read } = buildClockSkew({ store: createClockStore(pool), stock: client, clock });
  await clockSkew.run(stop.signal);
  t.same(sleeps, [10_000, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  t.same(gauges.map(Number.isNaN), [false, true, true, true, true, true, false]);
  t.equal(alarms.length, 0);
  const wrong = createStockClient({ url: stock.url, token: 'not-the-token', connections: 1 });
  t.teardown(() => wrong.close());
  await t.rejects(wrong.readClock(), { code: 'SECKILL_STOCK_ANSWER', status: 403 });
});
