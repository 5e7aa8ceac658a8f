// Goal: the units of a lane that sold are told for as long as the lane lives, by one relay: while it sleeps,
// too, because a sale that is sold out is paid for without any reservation.
// Method: relays on a real Redis and a real Kafka, which hear what the scripts tell of changes. A lane sleeps
// once nobody has its lease.
import { TOPICS } from '@seckill/contracts';
import { createPublisher, createRegistry, systemClock } from '@seckill/runtime';
import { connectProducer, createTopics, silent, valuesOf } from '@seckill/testing';
import t, { type Test } from 'tap';
import { ChangeFeed } from '../../src/change-feed.ts';
import { formatLane, laneKeys, scriptKeys, type Lane } from '../../src/redis/keys.ts';
import { createRelayMetrics } from '../../src/relay/metrics.ts';
import { createOutbox } from '../../src/relay/outbox.ts';
import { createRelay } from '../../src/relay/relay.ts';
import { createSettle } from '../../src/settler/settlements.ts';
import { build, makeGauges, startRedis, until } from '../support/build.ts';
import { kafka } from '../support/kafka.ts';
import { reserveMany, type Verdict } from '../support/settling.ts';

await createTopics(kafka, TOPICS.reservations);
const producer = await connectProducer(t, kafka);
// The test has a Redis of its own, because its relays hear of the lanes of all tests, and would serve them.
const engines = await startRedis(t);
const built = await build(t, { redisUrl: engines.redis });
const settle = createSettle(built.connections);
const { redis } = built.connection;

async function makeLane(total = 5): Promise<Lane> {
  const sale = built.addSale({ items: [{ sku: 'b', price: 10, total }] });
  await built.hand(sale);
  return { saleId: sale.saleId, lane: 0 };
}

const sleeps = async (lane: Lane): Promise<boolean> =>
  (await redis.exists(laneKeys(lane).lease)) + (await redis.xlen(laneKeys(lane).outbox)) === 0;

const end = async (ids: string[], verdict: Verdict): Promise<void> => {
  for (const answer of await settle(ids.map((reservationId) => ({ reservationId, verdict })))) {
    if (answer.result !== 'settled') throw new Error(answer.result);
  }
};

/** What the role `relay` assembles, for the lanes of the list. A look at all lanes comes each `sweepMs`. */
async function startRelay(t: Test, token: string, lanes: Lane[], sweepMs = 60_000) {
  const feed = new ChangeFeed(built.connections, silent);
  let isListening = false;
  feed.listen({ onChange: () => undefined, onListening: () => (isListening = true) });
  const metrics = createRelayMetrics(createRegistry());
  const gauges = makeGauges(built, metrics, token);
  const reads = { count: 0 };
  const relay = createRelay({
    lanes: async () => [...lanes],
    outbox: createOutbox(built.connections),
    publisher: createPublisher(producer),
    clock: systemClock,
    random: Math.random,
    logger: silent,
    metrics,
    gauges,
    token,
    leaseMs: 1_000,
    batchCountMax: 500,
    changes: feed,
    sweepMs,
    chores: [
      {
        name: 'units',
        everyMs: 1_000,
        prepare: (lane) => async () => {
          reads.count += 1;
          await gauges.observe(lane);
          return true;
        },
      },
    ],
    retire: async () => undefined,
    retireMs: 600_000,
  });
  const stop = new AbortController();
  const running = Promise.all([relay.run(stop.signal), feed.run(stop.signal)]);
  const leave = async (): Promise<void> => {
    stop.abort();
    await running;
  };
  t.teardown(leave);
  await until('it listens', () => isListening);
  /** total, available, held, paid and the entries of the outbox, as far as they are told. */
  const told = async (lane: Lane): Promise<(number | undefined)[]> => {
    const units = await valuesOf(metrics.units);
    const name = formatLane(lane);
    const states = ['total', 'available', 'held', 'paid'].map((state) => units[`${name} ${state}`]);
    return [...states, (await valuesOf(metrics.outboxEntries))[name]];
  };
  const tells = async (lane: Lane, wanted: (number | undefined)[]): Promise<boolean> =>
    JSON.stringify(await told(lane)) === JSON.stringify(wanted);
  return { told, tells, leave, reads };
}

const NOTHING = Array<undefined>(5).fill(undefined);

await t.test('a lane that sleeps is told of, and what changes in it', async (t) => {
  const lane = await makeLane();
  const relay = await startRelay(t, 'one', [lane]);
  t.same(await relay.told(lane), NOTHING, 'it has not sold');
  const ids = (await reserveMany(built, lane.saleId, 5)).map(({ id }) => id);
  await until('it is told of', () => relay.tells(lane, [5, 0, 5, 0, 0]));
  await until('it sleeps', () => sleeps(lane));
  t.same(await relay.told(lane), [5, 0, 5, 0, 0], 'sold out, and all of it is held');

  const reads = relay.reads.count;
  await end(ids.slice(0, 2), 'paid');
  await until('two are paid', () => relay.tells(lane, [5, 0, 3, 2, 0]));
  await end(ids.slice(2, 3), 'expired');
  await until('one came back', () => relay.tells(lane, [5, 1, 2, 2, 0]));
  t.equal(relay.reads.count, reads, 'no loop was started for that');

  await reserveMany(built, lane.saleId, 1);
  await until('it wakes', () => relay.tells(lane, [5, 0, 3, 2, 0]));
  await relay.leave();
  t.same(await relay.told(lane), NOTHING, 'a relay that ends tells of nothing');
});

await t.test('what changes while the lane falls asleep is told', async (t) => {
  const total = 200;
  const lane = await makeLane(total);
  const relay = await startRelay(t, 'one', [lane]);
  const ids = (await reserveMany(built, lane.saleId, total)).map(({ id }) => id);
  await until('it is told of', () => relay.tells(lane, [total, 0, total, 0, 0]));
  // The last of these comes just before the lane sleeps, and after its last reading.
  let paid = 0;
  while (!(await sleeps(lane))) {
    await end(ids.slice(paid, paid + 1), 'paid');
    paid += 1;
    await systemClock.sleep(50);
  }
  t.ok(paid > 1 && paid < total, `${paid} were paid meanwhile`);
  await until('all are told', () => relay.tells(lane, [total, 0, total - paid, paid, 0]));
});

await t.test('the relay that had the lease last tells, and no other', async (t) => {
  const lane = await makeLane();
  const one = await startRelay(t, 'one', [lane]);
  const ids = (await reserveMany(built, lane.saleId, 5)).map(({ id }) => id);
  await until('it is told of', () => one.tells(lane, [5, 0, 5, 0, 0]));
  await until('it sleeps', () => sleeps(lane));
  // This one looks at all lanes when it begins, and finds holds.
  const two = await startRelay(t, 'two', [lane]);
  await until('the other tells', () => two.tells(lane, [5, 0, 5, 0, 0]));
  await until('and this one does no more', () => one.tells(lane, NOTHING));
  await until('it sleeps again', () => sleeps(lane));
  await end(ids, 'paid');
  await until('all are paid', () => two.tells(lane, [5, 0, 0, 5, 0]));
  t.same(await one.told(lane), NOTHING);
});

await t.test('a relay that finds the lease with another tells of the lane no more', async (t) => {
  const lane = await makeLane();
  const relay = await startRelay(t, 'one', [lane]);
  await reserveMany(built, lane.saleId, 4);
  await until('it is told of', () => relay.tells(lane, [5, 1, 4, 0, 0]));
  await until('it sleeps', () => sleeps(lane));
  await redis.lease(scriptKeys('lease', lane), 'another', 60_000);
  await reserveMany(built, lane.saleId, 1);
  await until('it is told of elsewhere', () => relay.tells(lane, NOTHING));
  await redis.lease(scriptKeys('lease', lane), 'another', 0);
});

await t.test('a lane that is no longer on the list is told of no more', async (t) => {
  const lanes = [await makeLane(), await makeLane()];
  const [gone, left] = lanes as [Lane, Lane];
  const relay = await startRelay(t, 'one', lanes, 300);
  for (const lane of lanes) {
    const ids = (await reserveMany(built, lane.saleId, 5)).map(({ id }) => id);
    await end(ids, 'paid');
    await until('it is paid', () => relay.tells(lane, [5, 0, 0, 5, 0]));
  }
  for (const lane of lanes) await until('it sleeps', () => sleeps(lane));
  lanes.shift();
  await until('it is forgotten', () => relay.tells(gone, NOTHING));
  t.same(await relay.told(left), [5, 0, 0, 5, 0], 'the other is told of');
});
