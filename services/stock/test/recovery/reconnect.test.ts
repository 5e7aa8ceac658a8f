// Goal: a Redis that lost nothing is sold from, whatever happened to the connection to it and whoever else is
// away; a Redis that is another, or has less than buyers were told, is not. Method: the lane monitor as it
// runs on a real Redis under buyers, an order that refuses everything, an outbox that nobody empties (as
// while Kafka is away); connections are killed, Redis is stopped, paused, emptied and restarted.
import { Redis } from 'ioredis';
import t, { type Test } from 'tap';
import { forwardTcp, valuesOf } from '@seckill/testing';
import { HighWaterMarks } from '../../src/recovery/high-water-marks.ts';
import { laneKeys, type Lane } from '../../src/redis/keys.ts';
import { build, item, startRedis, until, type Built } from '../support/build.ts';

/** From the end of a connection until a buyer has units again. Measured: 50 to 70 ms. */
const SOLD_AGAIN_MS = 200;
const SILENCE_MS = 3_000;

t.setTimeout(120_000);
const engines = await startRedis(t);
const admin = new Redis(engines.redis, { maxRetriesPerRequest: 10 });
admin.on('error', () => undefined);
t.teardown(() => {
  admin.disconnect();
});

interface Watched extends Built {
  lane: Lane;
  /** Counts of closings, openings and calls to order, and the epoch of the lane. */
  facts: () => Promise<Record<string, unknown>>;
  /** Buys until somebody has units. @returns what the others heard meanwhile. */
  untilSold: () => Promise<Set<string>>;
  closes: () => number;
}

/**
 * A lane that has sold past its opening, under a lane monitor that knows it, while order, Kafka and the relay
 * are away.
 */
async function watch(t: Test, redisUrl = engines.redis): Promise<Watched> {
  const built = await build(t, { redisUrl });
  const stop = new AbortController();
  const running = built.monitor.run(stop.signal);
  t.teardown(async () => {
    stop.abort();
    await running;
  });
  const sale = built.addSale();
  await built.hand(sale);
  const lane = { saleId: sale.saleId, lane: 0 };
  let closes = 0;
  built.connection.redis.on('close', () => (closes += 1));
  let buyer = 0;
  const buy = () => {
    buyer += 1;
    return item(sale.saleId, { userId: `u${buyer}`, lines: [{ sku: 'b', quantity: 1 }] });
  };
  await built.reserveAll(Array.from({ length: 20 }, buy));
  // The lane monitor knows the lane once it has listed it.
  built.monitor.wake(built.connection, false);
  await rounds();
  setAway(built, true);
  return {
    ...built,
    lane,
    closes: () => closes,
    facts: async () => ({
      state: await admin.hmget(laneKeys(lane).state, 'gate', 'epoch', 'fence', 'opened_sequence', 'run_id'),
      opened: await valuesOf(built.gateMetrics.opened),
      calls: [...built.order.calls],
    }),
    untilSold: async () => {
      const heard = new Set<string>();
      await until('somebody has units', async () => {
        const [answer] = await built.reserve(buy());
        heard.add(answer?.outcome ?? 'none');
        return answer?.outcome === 'reserved';
      });
      return heard;
    },
  };
}

function setAway({ order }: Built, isAway: boolean): void {
  order.listStatus = isAway ? 503 : undefined;
  order.snapshotStatus = isAway ? 503 : undefined;
  order.grants = isAway ? () => false : (epoch) => epoch === order.epoch;
  if (isAway) order.calls = [];
}

/** Two rounds of whoever looks at the lanes. */
const rounds = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1_200));

await t.test(
  'a killed connection closes no lane and loads none, while Kafka and order are away',
  async (t) => {
    const watched = await watch(t);
    const before = await watched.facts();
    const took: number[] = [];
    for (let kill = 0; kill < 5; kill += 1) {
      const closes = watched.closes();
      await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      const killedAt = performance.now();
      await until('the connection has ended', () => watched.closes() > closes);
      t.match(
        await watched.reserve(item(watched.lane.saleId)),
        [{ outcome: /sale_unavailable|outcome_unknown/ }],
        'until it is known who is there',
      );
      const heard = await watched.untilSold();
      took.push(Math.round(performance.now() - killedAt));
      for (const outcome of heard) t.match(outcome, /^(reserved|sale_unavailable|outcome_unknown)$/);
      await rounds();
    }
    t.comment(`sold again after ${took.join(', ')} ms`);
    t.ok(Math.min(...took) < SOLD_AGAIN_MS, 'at once');
    t.same(await watched.facts(), before, 'no close, no comparison, no load, the same epoch');
    t.match(await valuesOf(watched.gateMetrics.identified), { same: 5 });
    t.ok((await admin.xlen(laneKeys(watched.lane).outbox)) > 20, 'Kafka has nothing of it');
  },
);

await t.test('connections that are killed under a crowd cost no reservation', async (t) => {
  const watched = await watch(t);
  const before = await watched.facts();
  const { saleId } = watched.lane;
  const told = new Map<string, string>();
  let isOver = false;
  const shop = async (shopper: number): Promise<void> => {
    for (let number = 0; !isOver; number += 1) {
      const request = item(saleId, { userId: `s${shopper}-${number}`, lines: [{ sku: 'b', quantity: 1 }] });
      await until('the answer is certain', async () => {
        const [answer] = await watched.reserve(request);
        if (answer?.outcome === 'reserved') told.set(answer.reservation.id, request.userId);
        return answer?.outcome === 'reserved';
      });
    }
  };
  const shoppers = [0, 1, 2, 3].map(shop);
  for (let kill = 0; kill < 10; kill += 1) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  }
  isOver = true;
  await Promise.all(shoppers);
  await rounds();
  t.same(await watched.facts(), before);
  t.ok(told.size > 20);
  for (const id of told.keys())
    t.ok(await watched.reservations.readHold(id), 'whoever was told has the units');
});

await t.test('a Redis that is stopped for three seconds keeps its connections and its lanes', async (t) => {
  const watched = await watch(t);
  const before = await watched.facts();
  const pid = Number(/process_id:(\d+)/.exec(await admin.info('server'))?.[1]);
  process.kill(pid, 'SIGSTOP');
  t.teardown(() => process.kill(pid, 'SIGCONT'));
  await new Promise((resolve) => setTimeout(resolve, SILENCE_MS));
  t.match(await watched.reserve(item(watched.lane.saleId)), [{ outcome: 'sale_unavailable' }]);
  process.kill(pid, 'SIGCONT');
  const wokenAt = performance.now();
  await watched.untilSold();
  t.comment(`sold again ${Math.round(performance.now() - wokenAt)} ms after it woke`);
  await rounds();
  t.same(await watched.facts(), before);
  t.equal(watched.closes(), 0, 'the connection was not replaced');
});

await t.test(
  'a Redis that answers nobody for three seconds keeps its connections and its lanes',
  async (t) => {
    const watched = await watch(t);
    const before = await watched.facts();
    await admin.call('CLIENT', 'PAUSE', String(SILENCE_MS), 'ALL');
    await new Promise((resolve) => setTimeout(resolve, SILENCE_MS - 200));
    t.match(await watched.reserve(item(watched.lane.saleId)), [
      { outcome: /sale_unavailable|outcome_unknown/ },
    ]);
    await watched.untilSold();
    await rounds();
    t.same(await watched.facts(), before);
    t.equal(watched.closes(), 0, 'the connection was not replaced');
  },
);

await t.test('a connection that leads nowhere is replaced, and its lanes sell on', async (t) => {
  const proxy = await forwardTcp(t, engines.redis);
  const watched = await watch(t, proxy.url);
  const before = await watched.facts();
  proxy.lose();
  const lostAt = performance.now();
  await until('it is replaced', () => watched.closes() > 0, 5_000);
  t.comment(`replaced after ${Math.round(performance.now() - lostAt)} ms`);
  await watched.untilSold();
  await rounds();
  t.same(await watched.facts(), before);
});

await t.test('a Redis that was emptied while nobody was connected is loaded anew', async (t) => {
  const watched = await watch(t);
  setAway(watched, false);
  await admin
    .multi()
    .call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    .del(...Object.values(laneKeys(watched.lane)))
    .exec();
  await until('it is loaded', async () => (await admin.hget(laneKeys(watched.lane).state, 'epoch')) === '2');
  await watched.untilSold();
});

await t.test('the same Redis with less than buyers were told is loaded anew', async (t) => {
  const watched = await watch(t);
  const { state, outbox } = laneKeys(watched.lane);
  setAway(watched, false);
  // An operator may do so: DEBUG RELOAD NOSAVE keeps the process, and brings back the last RDB.
  await admin
    .multi()
    .call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    .hset(state, 'sequence', 10)
    .del(outbox)
    .exec();
  await until('it is loaded', async () => (await admin.hget(state, 'epoch')) === '2');
});

await t.test('a Redis that may have evicted meanwhile is another, and is loaded anew', async (t) => {
  const watched = await watch(t);
  await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
  const closes = watched.closes();
  await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await until('the connection has ended', () => watched.closes() > closes);
  await until('it is back', () => watched.connection.redis.status === 'ready');
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.equal(watched.connection.runId, undefined);
  await admin.config('SET', 'maxmemory-policy', 'noeviction');
  await until('it is identified', () => watched.connection.runId !== undefined);
  t.match(await valuesOf(watched.gateMetrics.identified), { other: 1 });
  setAway(watched, false);
  await until('it is loaded', async () => {
    await watched.relay(watched.lane.saleId);
    return (await admin.hget(laneKeys(watched.lane).state, 'epoch')) === '2';
  });
});

await t.test('a Redis that restarted with all it had is compared and not loaded', async (t) => {
  const watched = await watch(t);
  setAway(watched, false);
  const before = watched.connection.runId;
  await engines.kill('redis');
  await engines.restart('redis');
  await until('it is identified', () => (watched.connection.runId ?? before) !== before);
  await watched.relay(watched.lane.saleId);
  await watched.untilSold();
  t.match(await valuesOf(watched.gateMetrics.opened), { compared: 1 });
  t.match(await valuesOf(watched.gateMetrics.identified), { other: 1 });
});

await t.test(
  'a Redis that restarted with less than buyers were told is loaded, though another process opened it and sold on',
  async (t) => {
    const watched = await watch(t);
    setAway(watched, false);
    const before = watched.connection.runId;
    // These reservations were told to buyers, and Redis has not kept them.
    watched.marks.note(watched.lane, { epoch: 1, sequence: 25 });
    // The other process has told its buyers nothing.
    const other = await build(t, { redisUrl: engines.redis, order: watched.order });
    t.same(other.marks, new HighWaterMarks());
    await engines.kill('redis');
    await engines.restart('redis');
    await until('it is identified', () => (other.connection.runId ?? before) !== before);
    await other.relay(watched.lane.saleId);
    await other.opener.open(watched.lane).catch(() => undefined);
    await watched.relay(watched.lane.saleId);
    await until('it is loaded', async () => {
      await watched.relay(watched.lane.saleId);
      return (await admin.hget(laneKeys(watched.lane).state, 'epoch')) === '2';
    });
    await watched.untilSold();
  },
);
