// Goal: every settlement in Kafka is applied to Redis once, whatever repeats, breaks or is away meanwhile
// (INV-5).
// Method: real Redis and real Kafka, a topic of its own per test; processes and engines are killed for real.
import { setTimeout as delay } from 'node:timers/promises';
import { HEADERS, RESERVATION_SETTLED, TOPICS, type Reservation } from '@seckill/contracts';
import { connectProducer, createTopics, makeTopic, valuesOf } from '@seckill/testing';
import { createPublisher, InvariantError, type BatchContext, type IncomingMessage } from '@seckill/runtime';
import t from 'tap';
import { formatLane, laneKeys, type Lane } from '../../src/redis/keys.ts';
import { createSettle, type Settle } from '../../src/settler/settlements.ts';
import { build, item, startRedis, until, type Built } from '../support/build.ts';
import { kafka, receiveLetters } from '../support/kafka.ts';
import { startStock } from '../support/process.ts';
import {
  makeSettler,
  openSale,
  publishSettled,
  reserveMany,
  settledMessage,
  startSettler,
  type Verdict,
} from '../support/settling.ts';

await createTopics(kafka, TOPICS.settlements, TOPICS.deadLetters);
const producer = await connectProducer(t, kafka);
const built = await build(t);

const holdsOf = (saleId: string, on: Built = built): Promise<number> =>
  on.connection.redis.hlen(laneKeys({ saleId, lane: 0 }).holds);

async function itemsOf(saleId: string, on: Built = built): Promise<unknown> {
  const { body } = await on.send('GET', `/internal/sales/${saleId}/state`);
  return body['items'];
}

function incoming(reservation: Reservation, verdict: Verdict, offset: number): IncomingMessage {
  const { key, value } = settledMessage(reservation, verdict);
  const headers = {
    [HEADERS.type]: RESERVATION_SETTLED.type,
    [HEADERS.version]: RESERVATION_SETTLED.version,
  };
  return { key, value: Buffer.from(value), offset: BigInt(offset), headers };
}

/** The context of a batch. The context remembers which offsets were resolved. */
function makeContext(patch: Partial<BatchContext> = {}) {
  const resolved: bigint[] = [];
  const context: BatchContext = {
    heartbeat: async () => undefined,
    resolve: (offset) => resolved.push(offset),
    seek: () => undefined,
    signal: new AbortController().signal,
    ...patch,
  };
  return { context, resolved };
}

await t.test('each verdict is applied once, delivered five times and in any order', async (t) => {
  const topic = await makeTopic(kafka, TOPICS.settlements.partitions);
  const saleId = await openSale(built, { channels: [{ id: 'x', cap: 6 }], limitPerBuyer: 6 });
  const request = { channelId: 'x', lines: [{ sku: 'b', quantity: 2 }] };
  const answers = await built.reserve(...[0, 1, 2].map(() => item(saleId, request)));
  const [paid, expired, cancelled] = answers.map((answer) => {
    if (answer.outcome !== 'reserved') throw new Error(answer.outcome);
    return answer.reservation;
  }) as [Reservation, Reservation, Reservation];
  t.match(await built.reserve(item(saleId, request)), [{ outcome: 'limit_reached', held: 6 }]);
  const messages = [
    settledMessage(paid, 'paid'),
    settledMessage(expired, 'expired'),
    settledMessage(cancelled, 'cancelled'),
  ];
  const returned: string[] = [];
  const onReturned = (lane: Lane) => void returned.push(formatLane(lane));
  const { metrics, failures } = await startSettler(t, built, { topic, producer, onReturned });
  // Later deliveries contradict the first one. The first of each partition has acted, and no later one may
  // act.
  for (let delivery = 0; delivery < 5; delivery += 1) await publishSettled(producer, topic, messages);
  await publishSettled(producer, topic, [settledMessage(paid, 'expired'), settledMessage(expired, 'paid')]);
  await publishSettled(producer, topic, [
    settledMessage({ ...paid, id: `${saleId}.0.${'z'.repeat(16)}${paid.id.slice(-22)}` }, 'expired'),
  ]);
  const total = async (): Promise<number> =>
    Object.values(await valuesOf(metrics.settlements)).reduce((sum, value) => sum + value, 0);
  await until('all are settled', async () => (await total()) === 18);
  t.match(await itemsOf(saleId), [{}, { sku: 'b', available: 99_998, held: 0, paid: 2 }]);
  t.match(await valuesOf(metrics.settlements), {
    'paid settled': 1,
    'expired settled': 1,
    'cancelled settled': 1,
    'paid absent': 5,
    'cancelled absent': 4,
    'expired absent': 6,
  });
  t.match(
    await built.reserve(item(saleId, request)),
    [{ outcome: 'reserved' }],
    'limit and cap are free again',
  );
  t.same(
    returned,
    [`${saleId}:0`, `${saleId}:0`],
    'the gateways are told of each return, and of nothing else',
  );
  t.same(failures, []);
});

await t.test(
  'a message that cannot be understood becomes a dead letter as it came, and its neighbours are settled',
  async (t) => {
    const topic = await makeTopic(kafka, TOPICS.settlements.partitions);
    const letters = await receiveLetters(t, topic);
    const saleId = await openSale(built);
    const [first, second, third] = (await reserveMany(built, saleId, 3)) as [
      Reservation,
      Reservation,
      Reservation,
    ];
    const good = settledMessage(second, 'expired');
    const body = JSON.parse(good.value) as Record<string, unknown>;
    const type = RESERVATION_SETTLED;
    const poison: [headers: { type: string; version: string }, value: string][] = [
      [type, '{'],
      [type, 'null'],
      [{ type: 'ReservationCreated', version: '1' }, good.value],
      [{ type: type.type, version: '2' }, good.value],
      [type, JSON.stringify({ ...body, verdict: 'pending' })],
      [type, JSON.stringify({ ...body, reservationId: 'x' })],
      [type, JSON.stringify({ ...body, saleId: 'another-sale' })],
      [type, JSON.stringify({ ...body, lane: 1 })],
      [type, JSON.stringify({ ...body, extra: 1 })],
    ];
    const publisher = createPublisher(producer);
    // One key means one partition, so the rejected message stands between the two valid ones.
    const key = 'one-partition';
    await publisher.publish(topic, type, [{ ...settledMessage(first, 'expired'), key }]);
    for (const [kind, value] of poison) await publisher.publish(topic, kind, [{ key, value }]);
    await publisher.publish(topic, type, [{ ...settledMessage(third, 'paid'), key }]);
    const { metrics, failures } = await startSettler(t, built, { topic, producer });
    await until('the partition moved on', async () => (await holdsOf(saleId)) === 1);
    await until('all letters are there', () => letters.length === poison.length);
    t.same(
      letters.map(({ value }) => Buffer.from(value, 'base64').toString()).sort(),
      poison.map(([, value]) => value).sort(),
    );
    for (const letter of letters) {
      t.match(letter, { topic: topic.name, key, headers: { [HEADERS.type]: /^Reservation/ }, error: /\w/ });
    }
    t.equal((await valuesOf(metrics.settlements))['unknown dead_letter'], poison.length);
    t.match(
      await itemsOf(saleId),
      [{}, { held: 1, paid: 1 }],
      'the hold that only poison names is still held',
    );
    t.same(failures, []);
  },
);

await t.test('a broken lane raises an alarm and is parked; other sales go on', async (t) => {
  const topic = await makeTopic(kafka, TOPICS.settlements.partitions);
  const letters = await receiveLetters(t, topic);
  const [brokenSale, wholeSale] = [await openSale(built), await openSale(built)];
  const broken = (await reserveMany(built, brokenSale, 2)) as [Reservation, Reservation];
  const [whole] = (await reserveMany(built, wholeSale, 1)) as [Reservation];
  const keys = laneKeys({ saleId: brokenSale, lane: 0 });
  await built.connection.redis.hset(keys.state, 'b:held', 1);
  await built.connection.redis.hdel(keys.buyers, 'u1');
  // The key has the wrong type. That error is none of our script's, and no sign that Redis is away.
  const typeSale = await openSale(built);
  const [typed] = (await reserveMany(built, typeSale, 1)) as [Reservation];
  await built.connection.redis.set(laneKeys({ saleId: typeSale, lane: 0 }).buyers, 'x');
  const key = 'one-partition';
  await publishSettled(producer, topic, [
    { ...settledMessage(broken[1], 'expired'), key },
    { ...settledMessage(typed, 'expired'), key },
    { ...settledMessage(whole, 'expired'), key },
  ]);
  const { metrics } = await startSettler(t, built, { topic, producer });
  await until('the other sale is settled', async () => (await holdsOf(wholeSale)) === 0);
  await until('both are parked', () => letters.length === 2);
  t.match(letters.map(({ error }) => error).sort(), [/^SECKILL_LANE_BROKEN/, /WRONGTYPE/]);
  t.equal(await holdsOf(brokenSale), 2, 'nothing was written');
  t.equal((await valuesOf(metrics.alarms))['lane_broken'], 2);
});

await t.test('while Redis is away it waits and keeps its place; then everything is settled', async (t) => {
  const topic = await makeTopic(kafka, TOPICS.settlements.partitions);
  const engines = await startRedis(t);
  const own = await build(t, { redisUrl: engines.redis });
  const saleId = await openSale(own);
  const reservations = await reserveMany(own, saleId, 100);
  const { metrics, failures } = await startSettler(t, own, { topic, producer });
  await engines.kill('redis');
  await publishSettled(
    producer,
    topic,
    reservations.map((one) => settledMessage(one, 'expired')),
  );
  await until('it has asked in vain', async () => ((await valuesOf(metrics.retries))['redis'] ?? 0) > 10);
  await delay(1_500);
  t.same(await valuesOf(metrics.settlements), { 'unknown dead_letter': 0 });
  await engines.restart('redis');
  await until(
    'all are settled',
    async () => (await valuesOf(metrics.settlements))['expired settled'] === 100,
  );
  t.equal(await holdsOf(saleId, own), 0, 'under the run_id of another process, with the gate closed by that');
  t.same(failures, []);
});

await t.test(
  'an offset is passed only after Redis answered, and only the unanswered are asked again',
  async (t) => {
    const saleId = await openSale(built);
    const reservations = await reserveMany(built, saleId, 6);
    const real = createSettle(built.connections);
    const asked: number[] = [];
    const { context, resolved } = makeContext();
    const settle: Settle = async (settlements) => {
      asked.push(settlements.length);
      t.same(resolved, [], 'nothing is resolved yet');
      const half = settlements.slice(0, settlements.length >> 1);
      if (settlements.length === 1) return real(settlements);
      const error = new Error('Connection is closed.');
      const answers = await real(half);
      return settlements.map((_one, index) => answers[index] ?? { result: 'unanswered', error });
    };
    const { settler, metrics } = makeSettler(built, createPublisher(producer), { settle });
    const messages = reservations.map((one, index) => incoming(one, 'expired', index));
    await settler.handleBatch({ topic: 't', partition: 0, messages }, context);
    t.same([asked, resolved], [[6, 3, 2, 1], [5n]]);
    t.equal((await valuesOf(metrics.settlements))['expired settled'], 6, 'none was counted twice');
  },
);

await t.test(
  'it leaves a batch alone when the group is rearranged, and ends its wait when it is stopped',
  async (t) => {
    const saleId = await openSale(built);
    const [one] = (await reserveMany(built, saleId, 1)) as [Reservation];
    const settle: Settle = async (settlements) =>
      settlements.map(() => ({ result: 'unanswered', error: new Error('Connection is closed.') }));
    const { settler } = makeSettler(built, createPublisher(producer), { settle });
    const batch = { topic: 't', partition: 0, messages: [incoming(one, 'expired', 0)] };
    const moved = new Error('the group is being rearranged');
    const rearranged = makeContext({ heartbeat: async () => Promise.reject(moved) });
    await t.rejects(settler.handleBatch(batch, rearranged.context), moved);
    const stop = new AbortController();
    const stopped = makeContext({ signal: stop.signal });
    const waiting = settler.handleBatch(batch, stopped.context);
    await delay(100);
    stop.abort();
    await waiting;
    t.same([rearranged.resolved, stopped.resolved], [[], []], 'both are read again by the next');
  },
);

await t.test('a dead letter is confirmed before the offset passes it', async (t) => {
  let sends = 0;
  const { context, resolved } = makeContext();
  const publisher = createPublisher({
    send: async (record) => {
      sends += 1;
      t.same(resolved, []);
      const answer = await producer.send(record);
      return sends === 1 ? [] : answer;
    },
  });
  const { settler } = makeSettler(built, publisher);
  const messages = [{ key: undefined, value: undefined, offset: 7n, headers: {} }];
  await settler.handleBatch({ topic: 't', partition: 0, messages }, context);
  t.same([sends, resolved], [2, [7n]]);
});

await t.test('our own bug ends the role instead of being repeated', async (t) => {
  const topic = await makeTopic(kafka, TOPICS.settlements.partitions);
  const saleId = await openSale(built);
  const [one] = (await reserveMany(built, saleId, 1)) as [Reservation];
  await publishSettled(producer, topic, [settledMessage(one, 'expired')]);
  const settle: Settle = async () => Promise.reject(new InvariantError('a bug'));
  const { failures, stop } = await startSettler(t, built, { topic, producer, settle });
  await until('it has failed', () => failures.length > 0);
  t.type(failures[0], InvariantError);
  await stop();
});

await t.test('a settler process killed in the middle loses nothing and settles nothing twice', async (t) => {
  const saleId = await openSale(built);
  const reservations = await reserveMany(built, saleId, 3_000);
  const start = () =>
    startStock(t, { ORDER_URL: built.order.url, ROLES: 'settler', SETTLER_BATCH_COUNT_MAX: '1' });
  const first = await start();
  await publishSettled(
    producer,
    TOPICS.settlements,
    reservations.map((one) => settledMessage(one, 'expired')),
  );
  await until('the first is in the middle', async () => (await holdsOf(saleId)) < 2_950, 20_000);
  first.child.killGroup('SIGKILL');
  await first.child.exited;
  t.comment(`${await holdsOf(saleId)} of 3000 holds were left`);
  t.ok((await holdsOf(saleId)) > 0, 'some were left');
  // What was settled is sold again at once; a second settlement of the same hold must not touch that.
  await reserveMany(built, saleId, 50);
  const second = await start();
  await until('the second has settled the rest', async () => (await holdsOf(saleId)) === 50, 30_000);
  t.match(await itemsOf(saleId), [{}, { available: 99_950, held: 50, paid: 0 }]);
  const ended = second.child.exited;
  await second.child.stop();
  t.equal((await ended).code, 0, 'asked to stop, it ends in order');
});
