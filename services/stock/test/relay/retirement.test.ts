// Goal: a lane whose time is over leaves Redis, the registry and the relay, however often and between which
// steps it was interrupted; no lane that lives leaves the registry (docs/recovery.md, "End of life").
// Method: a sale loaded with a window of the past, so that Redis' real clock finds it due; for the races one
// real command waits until the other side is through.
import { createPublisher, createRegistry, systemClock } from '@seckill/runtime';
import { silent, valuesOf } from '@seckill/testing';
import type { Redis } from 'ioredis';
import t from 'tap';
import { HighWaterMarks } from '../../src/recovery/high-water-marks.ts';
import { LaneOpener } from '../../src/recovery/lane-opener.ts';
import type { Connections } from '../../src/redis/connections.ts';
import { formatLane, laneKeys, LANES_KEY, scriptKeys, type Lane } from '../../src/redis/keys.ts';
import { listLanes } from '../../src/redis/lane-registry.ts';
import { createGateMetrics } from '../../src/recovery/metrics.ts';
import { createRelayMetrics } from '../../src/relay/metrics.ts';
import { createOutbox } from '../../src/relay/outbox.ts';
import { createRelay } from '../../src/relay/relay.ts';
import { retireLane } from '../../src/relay/retirement.ts';
import { build, item, makeControl, makeGauges, startRedis, until } from '../support/build.ts';
import { openSale } from '../support/settling.ts';

const engines = await startRedis(t);
const built = await build(t, { redisUrl: engines.redis });
const { connection, connections } = built;
const { redis } = connection;
const OVER = { opensAt: 1, closesAt: 2 };

const isListed = async (lane: Lane): Promise<boolean> =>
  (await redis.sismember(LANES_KEY, formatLane(lane))) === 1;
const isThere = async (lane: Lane): Promise<boolean> => (await redis.exists(laneKeys(lane).state)) === 1;

function retire(lane: Lane, on = redis) {
  const metrics = createRelayMetrics(createRegistry());
  return retireLane(over(on), lane, { logger: silent, metrics }).then(() => metrics);
}

await t.test('a lane that is over leaves Redis and the registry; one that is not stays', async (t) => {
  const over = { saleId: await openSale(built, OVER), lane: 0 };
  const live = { saleId: await openSale(built), lane: 0 };
  for (const lane of [over, live]) await retire(lane);
  t.same([await isThere(over), await isListed(over)], [false, false]);
  t.same([await isThere(live), await isListed(live)], [true, true]);
  const metrics = await retire(over);
  t.equal((await valuesOf(metrics.retired))[''], 0, 'a repeat counts nothing');
});

await t.test('a crash between the two steps, in either order, is made good by the next call', async (t) => {
  const lane = { saleId: await openSale(built, OVER), lane: 0 };
  t.same(await redis.retire(scriptKeys('retire', lane)), ['retired']);
  t.ok(await isListed(lane));
  await retire(lane);
  t.notOk(await isListed(lane));

  const unlisted = { saleId: await openSale(built, OVER), lane: 0 };
  await redis.srem(LANES_KEY, formatLane(unlisted));
  await retire(unlisted);
  t.same([await isThere(unlisted), await isListed(unlisted)], [false, false]);
});

/** The real connection. One of its commands first lets something else happen. */
function delayed(command: 'close' | 'srem', before: () => Promise<unknown>): Redis {
  return new Proxy(redis, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const call = (args: unknown[]): unknown => Reflect.apply(value, target, args);
      return (...args: unknown[]) => (name === command ? before().then(() => call(args)) : call(args));
    },
  });
}

/** Gives that connection out as the only one. */
function over(on: Redis): Connections {
  const one = new Proxy(connection, {
    get: (target, name) => (name === 'redis' ? on : (Reflect.get(target, name, target) as unknown)),
  });
  return new Proxy(connections, {
    get: (target, name) => {
      if (name === 'registry') return one;
      return name === 'of' ? () => one : (Reflect.get(target, name, target) as unknown);
    },
  });
}

await t.test('a lane that is loaded while a relay finds it missing stays on the list', async (t) => {
  const load = (lane: Lane, on = redis): Promise<void> => {
    const control = makeControl({ saleId: lane.saleId });
    return new LaneOpener({
      connections: over(on),
      orderClient: {
        takeSnapshot: async () => ({ epoch: 1, control, since: '1', orders: '' }),
        readSnapshotPage: async () => ({ orders: '' }),
        readEnded: async () => ({ ended: [] }),
        readReturned: async () => ({ ended: [] }),
        askOpening: async (_saleId, { epoch }) => ({ epoch, granted: true }),
        readVerdicts: async () => ({ ended: [], unknown: [] }),
      },
      offsets: { readEnds: async () => [] },
      publisher: createPublisher({ send: async () => Promise.reject(new Error('nothing is to be sent')) }),
      marks: new HighWaterMarks(),
      clock: systemClock,
      logger: silent,
      metrics: createGateMetrics(createRegistry()),
    }).open(lane);
  };
  const races: Record<string, (lane: Lane) => Promise<unknown>> = {
    'the whole retirement between registering and creating': (lane) =>
      load(
        lane,
        delayed('close', () => retire(lane)),
      ),
    'the whole load between finding it missing and taking it off': (lane) =>
      retire(
        lane,
        delayed('srem', () => load(lane)),
      ),
  };
  for (const [name, race] of Object.entries(races)) {
    const lane = { saleId: built.addSale().saleId, lane: 0 };
    await race(lane);
    t.ok(await isThere(lane), name);
    t.ok(await isListed(lane), `${name}: an outbox that nobody relays would lose orders`);
  }
});

await t.test(
  'the relay retires, forgets the lane and its gauges, and serves it again when it comes back',
  async (t) => {
    const saleId = await openSale(built, OVER);
    const lane = { saleId, lane: 0 };
    const metrics = createRelayMetrics(createRegistry());
    const gauges = makeGauges(built, metrics, 'one');
    // The lane has sold, and sleeps.
    gauges.begin(lane);
    gauges.sleep(lane);
    await gauges.observe(lane);
    t.ok(`${formatLane(lane)} available` in (await valuesOf(metrics.units)), 'it is told of');
    const stop = new AbortController();
    const running = createRelay({
      lanes: () => listLanes(connections),
      outbox: createOutbox(connections),
      publisher: createPublisher({ send: async () => Promise.reject(new Error('nothing is to be sent')) }),
      clock: systemClock,
      random: Math.random,
      logger: silent,
      metrics,
      gauges,
      token: 'one',
      leaseMs: 1_000,
      batchCountMax: 500,
      sweepMs: 200,
      chores: [],
      retire: (one) => retireLane(connections, one, { logger: silent, metrics }),
      retireMs: 200,
    }).run(stop.signal);
    const outboxes = async (): Promise<string[]> => Object.keys(await valuesOf(metrics.outboxEntries));
    await until('it is retired', async () => !(await isThere(lane)) && !(await isListed(lane)));
    await until('it is forgotten', async () => Object.keys(await valuesOf(metrics.units)).length === 0);
    t.equal((await redis.keys(`seckill:{${formatLane(lane)}}*`)).length, 0, 'the lease is given back');
    const sale = { ...built.order.controls.get(saleId), closesAt: 4_000_000_000_000 };
    built.order.controls.set(saleId, sale as never);
    await built.send('PUT', `/internal/sales/${saleId}`, { as: 'order', body: sale });
    // A lane that has not sold has no gauges.
    await built.reserve(item(saleId, { lines: [{ sku: 'b', quantity: 1 }] }));
    await until('it is served again', async () => (await outboxes()).includes(formatLane(lane)));
    stop.abort();
    await running;
  },
);
