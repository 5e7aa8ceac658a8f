// Goal: stock never publishes more at once than Kafka takes. Otherwise Kafka would refuse the same batch for
// ever.
// Method: the largest reservations the contract allows, all of one partition, through Redis to a real Kafka;
// first it is shown that Kafka refuses them as one batch.
import { randomBytes } from 'node:crypto';
import { LIMITS, partitionOf, RESERVATION_CREATED, TOPICS } from '@seckill/contracts';
import { createPublisher, createRegistry, systemClock, type Producer } from '@seckill/runtime';
import t from 'tap';
import { createReadHolds } from '../../src/redis/holds.ts';
import { laneKeys, scriptKeys, type Lane } from '../../src/redis/keys.ts';
import { toMessage } from '../../src/relay/reservation-message.ts';
import { createRelayMetrics } from '../../src/relay/metrics.ts';
import { OrphanScan } from '../../src/relay/orphaned-holds.ts';
import { createOutbox } from '../../src/relay/outbox.ts';
import { PUBLISH_BYTES_MAX, splitByBytes } from '@seckill/runtime';
import { connectProducer, createTopics, silent } from '@seckill/testing';
import { reservationIdOf } from '../../src/redis/hold-record.ts';
import { LaneRelay } from '../../src/relay/lane-relay.ts';
import { makeRandoms } from '../../src/redis/reservation-id.ts';
import { toReserveArguments } from '../../src/reserve/calls.ts';
import { build, makeGauges, startRedis, until } from '../support/build.ts';
import { kafka, receive } from '../support/kafka.ts';

type Send = (record: Parameters<Producer['send']>[0]) => ReturnType<Producer['send']>;

await createTopics(kafka, TOPICS.reservations);
const producer = await connectProducer(t, kafka);
const received = await receive(t);
// The test has a Redis of its own, because a relay process of another test would empty the outbox of the
// shared one.
const engines = await startRedis(t);
const built = await build(t, { redisUrl: engines.redis });
const COUNT = 400;
const MESSAGE_BYTES_MAX = 6_000;

const metrics = createRelayMetrics(createRegistry());
const sizes: number[] = [];
const send: Send = (record) => {
  const texts = record.messages.map(({ key, value }) => `${String(key)}${String(value)}`);
  sizes.push(texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0));
  return producer.send(record);
};

function randomInPartition(lane: Lane, userId: string, idempotencyKey: string, partition: number): string {
  for (;;) {
    const [random = ''] = makeRandoms(1);
    const id = reservationIdOf(lane, { userId, idempotencyKey, random });
    if (partitionOf(TOPICS.reservations, id) === partition) return random;
  }
}

/**
 * A reservation whose fields are as long as they may be, in characters that JSON or UTF-8 make longer still.
 */
async function reserveLargest(): Promise<Lane> {
  const items = Array.from({ length: LIMITS.linesMax }, (_, index) => ({
    sku: `s${index}`.padEnd(64, 'x'),
    price: LIMITS.priceAmountMax,
    total: LIMITS.totalMax,
  }));
  const channel = 'c'.repeat(63);
  const sale = built.addSale({
    saleId: randomBytes(32).toString('hex').slice(0, 63),
    // The holds are over when they are looked at, so they are orphaned as well.
    holdMs: 1,
    items,
    channels: [{ id: channel }],
  });
  await built.hand(sale);
  const lane = { saleId: sale.saleId, lane: 0 };
  for (let index = 0; index < COUNT; index += 1) {
    const userId = String(index).padEnd(LIMITS.userIdLengthMax, '"');
    const idempotencyKey = String(index).padEnd(LIMITS.idempotencyKeyLengthMax, '\\');
    const request = {
      userId,
      idempotencyKey,
      channelId: channel,
      ref: '🍊'.repeat(LIMITS.refLengthMax),
      metadata: { a: 'x'.repeat(LIMITS.metadataBytesMax - '{"a":""}'.length) },
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      lines: items.map(({ sku }) => ({ sku, quantity: LIMITS.quantityMax })),
    };
    const [answer] = await built.connection.redis.reserve(
      scriptKeys('reserve', lane),
      built.connection.runId ?? '',
      COUNT,
      Date.now() + 60_000,
      ...toReserveArguments(request, randomInPartition(lane, userId, idempotencyKey, 0)),
    );
    const outcome = Array.isArray(answer) ? answer[0] : answer?.message;
    if (outcome !== 'reserved') throw new Error(`answered ${String(outcome)}`);
  }
  return lane;
}

const lane = await reserveLargest();
const { entries } = await createOutbox(built.connections).read(lane, COUNT);
const messages = entries.map((entry) => toMessage(lane, entry));

await t.test('Kafka refuses the largest reservations as one batch', async (t) => {
  const largest = Math.max(...messages.map(({ value }) => Buffer.byteLength(value)));
  t.ok(largest > 3_000 && largest < MESSAGE_BYTES_MAX, `${largest} bytes`);
  const whole = createPublisher(producer).publish(TOPICS.reservations, RESERVATION_CREATED, messages);
  await t.rejects(whole, { message: /larger than the max message size/ });
});

await t.test('the relay publishes them in parts, in order, and empties the outbox', async (t) => {
  const relay = new LaneRelay(
    {
      outbox: createOutbox(built.connections),
      publisher: createPublisher({ send }),
      clock: systemClock,
      random: Math.random,
      logger: silent,
      metrics,
      gauges: makeGauges(built, metrics),
      token: 'parts',
      leaseMs: 5_000,
      batchCountMax: COUNT,
      chores: [],
    },
    lane,
  );
  t.equal(await relay.pass(), 'full');
  t.equal(await built.connection.redis.xlen(laneKeys(lane).outbox), 0);
  await until('all are there', () => received.of(lane.saleId).length === COUNT);
  const sequences = received.of(lane.saleId).map(({ sequence }) => sequence);
  t.same(
    sequences,
    messages.map((_, index) => index + 1),
    'once each and in order',
  );
  t.ok(sizes.length > 1 && Math.max(...sizes) <= PUBLISH_BYTES_MAX, sizes.join(' '));
});

await t.test('orphaned holds are published in parts too', async (t) => {
  sizes.length = 0;
  const options = {
    readHolds: createReadHolds(built.connections),
    publisher: createPublisher({ send }),
    logger: silent,
    metrics,
    graceMs: 0,
    republishMs: 60_000,
  };
  await new OrphanScan(options, lane).step();
  await until('all are there again', () => received.of(lane.saleId).length === 2 * COUNT);
  t.ok(sizes.length > 1 && Math.max(...sizes) <= PUBLISH_BYTES_MAX, sizes.join(' '));
});

await t.test('the cut loses and moves nothing, and a message larger than a part goes alone', async (t) => {
  t.same(splitByBytes([]), []);
  for (const bytesMax of [1, 5_000, 20_000, Infinity]) {
    const parts = splitByBytes(messages, bytesMax);
    t.ok(
      parts.flat().every((message, index) => message === messages[index]),
      `${bytesMax}`,
    );
    t.equal(parts.flat().length, COUNT);
    t.ok(parts.every((part) => part.length > 0));
  }
  t.equal(splitByBytes(messages, 1).length, COUNT);
  t.equal(splitByBytes(messages, Infinity).length, 1);
});
