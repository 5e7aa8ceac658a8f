// Goal: whatever becomes of the chunks of a rebuild that are on their way, the lane opens only with all
// orders of one snapshot, each counted once (docs/recovery.md, "Rebuild").
// Method: the real lane opener and a real Redis. The test keeps each chunk back after stock has sent it, and
// decides when the chunk reaches Redis, or that it never does.
import type { SnapshotOrder } from '@seckill/contracts';
import { systemClock } from '@seckill/runtime';
import { valuesOf } from '@seckill/testing';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { reservationIdOf } from '../../src/redis/hold-record.ts';
import { laneKeys, type Lane } from '../../src/redis/keys.ts';
import { makeRandoms } from '../../src/redis/reservation-id.ts';
import type { ScriptAnswer } from '../../src/redis/scripts.ts';
import { build, until, type Built } from '../support/build.ts';

/** The number of orders makes two pages of 500, and a third one. */
const ORDERS = 1_201;
const STATUSES = ['pending', 'paid', 'cancelled'] as const;

/** A chunk that stock has sent. */
interface Chunk {
  deliver: () => Promise<ScriptAnswer>;
  lose: () => void;
}

/** Keeps the chunks of a process back. */
class Chunks {
  readonly sent: Chunk[] = [];
  /** Redis' answers, in the order of the deliveries. */
  readonly answers: string[] = [];
  #isOpen = false;

  constructor({ connection }: Built) {
    const { redis } = connection;
    const load: typeof redis.load = (...call) =>
      new Promise((resolve, reject) => {
        const deliver = async (): Promise<ScriptAnswer> => {
          const answer = redis.load(...call);
          answer.then(resolve, reject);
          this.answers.push(String((await answer)[0]));
          return answer;
        };
        const lose = () => {
          reject(new Error('the connection ended'));
        };
        this.sent.push({ deliver, lose });
        if (this.#isOpen) void deliver();
      });
    // ioredis copies the commands of a client into its pipelines, so the client itself stays as it is.
    const keeping = new Proxy(redis, {
      get(target, name) {
        if (name === 'load') return load;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    Object.defineProperty(connection, 'redis', { value: keeping });
  }

  async deliver(index: number): Promise<void> {
    await until(`chunk ${index} is sent`, () => this.sent.length > index);
    await this.sent[index]?.deliver();
  }

  /** Keeps nothing back from now on. Chunks before `from` were dealt with. */
  async release(from: number): Promise<void> {
    this.#isOpen = true;
    for (const chunk of this.sent.slice(from)) await chunk.deliver();
  }
}

/** A closed lane of a sale that order knows, with orders of all kinds. */
async function closedLane(built: Built): Promise<Lane> {
  const { saleId } = built.addSale();
  await built.hand(built.order.controls.get(saleId) as never);
  const lane = { saleId, lane: 0 };
  const randoms = makeRandoms(ORDERS);
  built.order.orders = randoms.map((random, index): SnapshotOrder => {
    const who = { userId: `u${index % 400}`, idempotencyKey: `k${index}` };
    return {
      reservationId: reservationIdOf(lane, { ...who, random }),
      ...{ epoch: 1, sequence: index + 1, ...who },
      lines: [{ sku: 'b', quantity: 1, price: 10 }],
      ...(index < 40 ? { channelId: 'x' } : {}),
      ...{ reservedAt: 1_000, expiresAt: 4_000_000_000_000 },
      status: STATUSES[index % 3] ?? 'pending',
    };
  });
  return lane;
}

const COUNTS = {
  holds: 401,
  keys: 800,
  units: 801,
  taken: ORDERS,
  channel: '27',
  available: 99_199,
  held: 401,
  paid: 400,
};

/** Checks that the lane is open under this epoch and has each order once. */
async function assertWhole(t: Test, built: Built, { saleId }: Lane, epoch: number, name = ''): Promise<void> {
  const { redis } = built.connection;
  const keys = laneKeys({ saleId, lane: 0 });
  const { body } = await built.send('GET', `/internal/sales/${saleId}/state`);
  t.match(body, { gate: 'open', epoch, sequence: 0 }, name);
  const [, item] = body['items'] as [object, { available: number; held: number; paid: number }];
  const buyers = (await redis.hvals(keys.buyers)).map((text) => text.split(' ').map(Number));
  const sumOf = (place: number) => buyers.reduce((sum, facts) => sum + (facts[place] ?? NaN), 0);
  const found = {
    ...{ holds: await redis.hlen(keys.holds), keys: await redis.hlen(keys.keys) },
    ...{ units: sumOf(0), taken: sumOf(2) },
    ...{ channel: await redis.hget(keys.state, 'x:units') },
    ...{ available: item.available, held: item.held, paid: item.paid },
  };
  t.same(found, COUNTS, name);
}

const gateOf = async (built: Built, lane: Lane) =>
  built.connection.redis.hmget(laneKeys(lane).state, 'gate', 'loaded', 'epoch', 'chunk');

await t.test(
  'chunks of two rebuilders, in any order: the later epoch wins with all of its orders',
  async (t) => {
    for (const order of ['AABB', 'ABAB', 'ABBA', 'BAAB', 'BABA', 'BBAA']) {
      const early = await build(t);
      const other = await build(t, { order: early.order });
      const lane = await closedLane(early);
      const { epoch } = early.order;
      const chunks = { A: new Chunks(early), B: new Chunks(other) };
      const losing = early.opener.open(lane, { isForced: true }).catch((error: unknown) => error);
      await until('two of A are under way', () => chunks.A.sent.length === 2);
      // The right of a process to work on the lane ends by itself, and no other step waits for that.
      await early.connection.redis.del(laneKeys(lane).recovery);
      const winning = other.opener.open(lane, { isForced: true });
      await until('two of B are under way', () => chunks.B.sent.length === 2);
      const next = { A: 0, B: 0 };
      for (const who of order as Iterable<'A' | 'B'>) {
        await chunks[who].deliver(next[who]);
        next[who] += 1;
      }
      await Promise.all([chunks.A.release(2), chunks.B.release(2)]);
      await winning;
      t.match(await losing, { name: 'LaneError' }, order);
      const loaded = order.indexOf('B');
      t.same(chunks.A.answers.slice(0, loaded), Array(loaded).fill('loaded'), `${order}: before B`);
      const refusals = new Set(chunks.A.answers.slice(loaded));
      t.ok(refusals.size > 0 && !refusals.has('loaded'), `${order}: behind B ${[...refusals].join(', ')}`);
      await assertWhole(t, other, lane, epoch + 2, order);
    }
  },
);

await t.test('a chunk that is refused has the one refused that was sent behind it', async (t) => {
  const built = await build(t);
  const lane = await closedLane(built);
  const { epoch } = built.order;
  const { redis } = built.connection;
  const keys = Object.values(laneKeys(lane)).filter((key) => key !== laneKeys(lane).recovery);
  const dump = () => Promise.all(keys.map((key) => redis.dumpBuffer(key)));
  const chunks = new Chunks(built);
  const opening = built.opener.open(lane, { isForced: true }).catch((error: unknown) => error);
  await until('two are under way', () => chunks.sent.length === 2);
  const entry = await redis.xadd(laneKeys(lane).outbox, '1-1', 'a', 'b');
  await chunks.deliver(0);
  // The second chunk finds nothing of what stood in the way of the first.
  await redis.xdel(laneKeys(lane).outbox, entry ?? '');
  const before = await dump();
  await chunks.deliver(1);
  t.match(await opening, { name: 'LaneError', message: /outbox_not_empty/ });
  t.same(chunks.answers, ['outbox_not_empty', 'epoch_not_higher']);
  t.equal(chunks.sent.length, 2, 'nothing is sent after a refusal');
  t.same(await dump(), before);
  await chunks.release(2);
  await built.opener.open(lane, { isForced: true });
  await assertWhole(t, built, lane, epoch + 2);
});

await t.test('a chunk that gets lost keeps the lane closed, whatever comes behind it', async (t) => {
  const built = await build(t);
  const lane = await closedLane(built);
  const { epoch } = built.order;
  const chunks = new Chunks(built);
  const opening = built.opener.open(lane, { isForced: true }).catch((error: unknown) => error);
  await chunks.deliver(0);
  await until('the last is under way', () => chunks.sent.length === 3);
  chunks.sent[1]?.lose();
  await chunks.deliver(2);
  t.match(await opening, /the connection ended/);
  t.same(chunks.answers, ['loaded', 'chunk_not_next']);
  t.same(await gateOf(built, lane), ['rebuilding', '2 partly', String(epoch + 1), '0']);
  await chunks.release(3);
  await built.opener.open(lane);
  await assertWhole(t, built, lane, epoch + 2);
});

await t.test(
  'chunks of a process that died end before its lease does, and the next process loads all',
  async (t) => {
    for (const dying of [2, 3]) {
      let steps = 0;
      const mortal = await build(t, {
        onStep: (step) => {
          if (step === 'load') steps += 1;
          if (step === 'load' && steps === dying) throw new Error('the process died');
        },
      });
      const next = await build(t, { order: mortal.order });
      const lane = await closedLane(mortal);
      const { epoch } = mortal.order;
      const { redis } = mortal.connection;
      steps = 0;
      const chunks = new Chunks(mortal);
      const opening = mortal.opener.open(lane, { isForced: true }).catch((error: unknown) => error);
      if (dying === 3) await chunks.deliver(0);
      await until('it died', () => steps === dying);
      t.equal(chunks.sent.length, dying - 1);
      await redis.ping();
      t.equal(await redis.exists(laneKeys(lane).recovery), 1, 'its lease stays while a chunk is under way');
      await chunks.deliver(dying - 2);
      t.match(await opening, /died/);
      t.equal(await redis.exists(laneKeys(lane).recovery), 0, 'and is given back then');
      t.same(await gateOf(mortal, lane), ['rebuilding', '2 partly', String(epoch + 1), String(dying - 2)]);
      await next.opener.open(lane);
      await assertWhole(t, next, lane, epoch + 2, `died before chunk ${dying - 1}`);
    }
  },
);

await t.test('a lease that is lost is noticed only once the chunk beside it has ended', async (t) => {
  const built = await build(t);
  const lane = await closedLane(built);
  const { redis } = built.connection;
  const chunks = new Chunks(built);
  let hasEnded = false;
  const opening = built.opener
    .open(lane, { isForced: true })
    .catch((error: unknown) => error)
    .finally(() => (hasEnded = true));
  await until('two are under way', () => chunks.sent.length === 2);
  await redis.set(laneKeys(lane).recovery, 'another process', 'PX', 10_000);
  await chunks.deliver(0);
  await until('the last is under way', () => chunks.sent.length === 3);
  await chunks.deliver(1);
  // Had the opening ended here, its first round trip would have given the lease back. Five show that it
  // has not.
  for (let trip = 0; trip < 5; trip += 1) await redis.ping();
  t.equal(hasEnded, false, 'while the last is under way');
  await chunks.deliver(2);
  t.match(await opening, { code: 'SECKILL_LANE_KEPT' });
});

await t.test('log and metric tell how far a load is while it goes on', async (t) => {
  const lines: Record<string, unknown>[] = [];
  const logger = pino(
    { level: 'info' },
    { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  );
  let slept = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + slept };
  const built = await build(t, { logger, clock });
  const lane = await closedLane(built);
  const { epoch } = built.order;
  const loaded = async () => (await valuesOf(built.gateMetrics.loadedOrders))[''] ?? 0;
  const before = await loaded();
  const chunks = new Chunks(built);
  const opening = built.opener.open(lane, { isForced: true });
  await chunks.deliver(0);
  await until('the metric tells of the first', async () => (await loaded()) === before + 500);
  const shown = () => lines.filter(({ msg }) => msg === 'lane opener: lane is being loaded');
  t.same(shown(), [], 'a load of a moment says nothing on its way');
  slept = 10_000;
  await chunks.deliver(1);
  await until('the log tells of the second', () => shown().length > 0);
  t.equal(await loaded(), before + 1_000);
  const facts = { ...lane, epoch: epoch + 1 };
  t.match(shown(), [{ ...facts, orders: 1_000, level: 30 }]);
  const { seconds, ordersPerSecond } = shown()[0] as { seconds: number; ordersPerSecond: number };
  t.ok(seconds >= 10 && seconds < 60, `${seconds} s`);
  t.ok(Math.abs(ordersPerSecond - 1_000 / seconds) <= 1, `${ordersPerSecond} a second`);
  await chunks.release(2);
  await opening;
  t.equal(shown().length, 1, 'every 5 s');
  t.match(
    lines.find(({ msg, ...rest }) => msg === 'lane opener: lane is loaded' && rest['epoch'] === epoch + 1),
    { ...facts, orders: ORDERS },
  );
  t.equal(await loaded(), before + ORDERS);
});
