// Goal: every outbox entry reaches Kafka, in order, and is trimmed only after Kafka confirmed it (INV-2; D2,
// D3).
// Method: real Redis and real Kafka. The one thing wrapped is the real producer's send: to drop a partition
// from a real answer, or to act between confirmation and trim.
import { randomBytes } from 'node:crypto';
import { partitionOf, TOPICS } from '@seckill/contracts';
import { createPublisher, createRegistry, systemClock, type Producer } from '@seckill/runtime';
import type { Child } from '@seckill/stack';
import { connectProducer, createTopics, silent } from '@seckill/testing';
import t, { type Test } from 'tap';
import { laneKeys, scriptKeys, type Lane } from '../../src/redis/keys.ts';
import { createRelayMetrics } from '../../src/relay/metrics.ts';
import { createOutbox } from '../../src/relay/outbox.ts';
import { LaneRelay } from '../../src/relay/lane-relay.ts';
import { createRelay, type RelayDeps } from '../../src/relay/relay.ts';
import { build, item, makeGauges, startRedis, until, type Built } from '../support/build.ts';
import { kafka, receive } from '../support/kafka.ts';
import { startStock } from '../support/process.ts';

type Send = (record: Parameters<Producer['send']>[0]) => ReturnType<Producer['send']>;

await createTopics(kafka, TOPICS.reservations, TOPICS.deadLetters);
const producer = await connectProducer(t, kafka);
const received = await receive(t);
const built = await build(t);

function relayOptions(on: Built, lane: Lane, patch: Partial<RelayDeps> & { send?: Send } = {}) {
  const { connections } = on;
  const metrics = createRelayMetrics(createRegistry());
  const { send: patched, ...options } = patch;
  const send: Send = patched ?? ((record) => producer.send(record));
  return {
    lanes: async () => [lane],
    outbox: createOutbox(connections),
    publisher: createPublisher({ send }),
    clock: systemClock,
    random: Math.random,
    logger: silent,
    metrics,
    gauges: makeGauges(on, metrics),
    token: randomBytes(8).toString('hex'),
    leaseMs: 5_000,
    batchCountMax: 500,
    sweepMs: 200,
    chores: [],
    retire: async () => undefined,
    retireMs: 60_000,
    ...options,
  } satisfies RelayDeps;
}

/** Makes a sale with so many reservations in its outbox. */
async function fill(count: number, on: Built = built): Promise<Lane> {
  const sale = on.addSale();
  await on.hand(sale);
  for (let start = 0; start < count; start += 250) {
    const items = Array.from({ length: Math.min(250, count - start) }, (_, index) =>
      item(sale.saleId, { userId: `u${start + index}`, lines: [{ sku: 'b', quantity: 1 }] }),
    );
    await on.reserveAll(items);
  }
  return { saleId: sale.saleId, lane: 0 };
}

const outboxLength = (lane: Lane, on = built): Promise<number> =>
  on.connection.redis.xlen(laneKeys(lane).outbox);

/** Checks that each sequence was published at least once, and that each partition met new ones in order. */
function holdsAll(t: Test, lane: Lane, count: number): void {
  const messages = received.of(lane.saleId);
  const sequences = new Set(messages.map(({ sequence }) => sequence));
  t.same([sequences.size, Math.min(...sequences), Math.max(...sequences)], [count, 1, count], 'INV-2');
  for (let partition = 0; partition < TOPICS.reservations.partitions; partition += 1) {
    const inPartition = messages.filter((message) => message.partition === partition);
    const firstMet = [...new Set(inPartition.map(({ sequence }) => sequence))];
    t.same(
      firstMet,
      [...firstMet].sort((a, b) => a - b),
      `partition ${partition} in order`,
    );
  }
}

await t.test(
  'entries reach Kafka once and in order, with key, headers and all an order row needs',
  async (t) => {
    const lane = await fill(0);
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const request = item(lane.saleId, {
      userId: 'u:1',
      channelId: 'x',
      ref: 'note-“1”',
      lines: [{ sku: 'b', quantity: 3 }],
      traceparent,
    });
    const { body } = await built.send('POST', '/internal/reservations', { body: [request] });
    t.match(body, [{ outcome: 'reserved' }]);
    const [answer] = body as unknown as [
      { reservation: { id: string; reservedAt: string; expiresAt: string } },
    ];
    const relay = new LaneRelay(relayOptions(built, lane), lane);
    t.equal(await relay.pass(), 'published');
    t.equal(await relay.pass(), 'empty');
    await until('the message is there', () => received.of(lane.saleId).length === 1);
    const [message] = received.of(lane.saleId);
    const { id, reservedAt, expiresAt } = answer.reservation;
    t.match(message, {
      reservationId: id,
      key: id,
      partition: partitionOf(TOPICS.reservations, id),
      lane: 0,
      epoch: 1,
      sequence: 1,
      userId: 'u:1',
      idempotencyKey: request.idempotencyKey,
      lines: [{ sku: 'b', quantity: 3, price: 10 }],
      currency: 'CNY',
      channelId: 'x',
      ref: 'note-“1”',
      reservedAt: Date.parse(reservedAt),
      expiresAt: Date.parse(expiresAt),
      headers: { traceparent, 'message-type': 'ReservationCreated', 'message-version': '1' },
    });
  },
);

await t.test(
  'a relay that runs empties the outbox in batches, then stops and gives the lease back',
  async (t) => {
    const lane = await fill(1_200);
    const sizes: number[] = [];
    const send: Send = (record) => {
      sizes.push(record.messages.length);
      return producer.send(record);
    };
    const stop = new AbortController();
    const options = relayOptions(built, lane, { batchCountMax: 500, send });
    const running = createRelay(options).run(stop.signal);
    await until('the outbox is empty', async () => (await outboxLength(lane)) === 0);
    t.same(sizes, [500, 500, 200]);
    await built.reserveAll([item(lane.saleId, { userId: 'late', lines: [{ sku: 'b', quantity: 1 }] })]);
    await until('what comes later is relayed too', async () => (await outboxLength(lane)) === 0);
    stop.abort();
    await running;
    t.equal(await built.connection.redis.exists(laneKeys(lane).lease), 0);
    await until('all are there', () => received.of(lane.saleId).length >= 1_201);
    holdsAll(t, lane, 1_201);
    t.equal(received.of(lane.saleId).length, 1_201, 'no duplicate without a fault');
    t.equal((await options.metrics.messages.get()).values[0]?.value, 1_201);
  },
);

await t.test(
  'a Kafka answer that misses a partition trims nothing, and everything is published again',
  async (t) => {
    const lane = await fill(100);
    let sends = 0;
    const send: Send = async (record) => {
      sends += 1;
      const answer = await producer.send(record);
      return sends === 1 ? answer.slice(1) : answer;
    };
    const relay = new LaneRelay(relayOptions(built, lane, { send }), lane);
    await t.rejects(relay.pass(), { code: 'SECKILL_KAFKA_PUBLISH' });
    t.equal(await outboxLength(lane), 100, 'nothing was trimmed');
    t.equal(await relay.pass(), 'published');
    t.equal(await outboxLength(lane), 0);
    await until('twice each', () => received.of(lane.saleId).length === 200);
    holdsAll(t, lane, 100);
  },
);

await t.test(
  'an error code in the answer and a send that throws trim nothing; the loop goes on until Kafka is back',
  async (t) => {
    const lane = await fill(50);
    const lengths: number[] = [];
    let sends = 0;
    const send: Send = async (record) => {
      sends += 1;
      lengths.push(await outboxLength(lane));
      if (sends <= 2) throw new Error('the broker is away');
      const answer = await producer.send(record);
      return sends === 3 ? answer.map((one) => ({ ...one, errorCode: 6 })) : answer;
    };
    const stop = new AbortController();
    const options = relayOptions(built, lane, { send });
    const running = createRelay(options).run(stop.signal);
    await until('the outbox is empty', async () => (await outboxLength(lane)) === 0);
    stop.abort();
    await running;
    t.same(lengths, [50, 50, 50, 50]);
    t.equal((await options.metrics.failures.get()).values[0]?.value, 3);
    holdsAll(t, lane, 50);
  },
);

await t.test('entries added while Kafka confirms are not trimmed', async (t) => {
  const lane = await fill(10);
  const send: Send = async (record) => {
    const answer = await producer.send(record);
    await built.reserveAll([item(lane.saleId, { userId: 'meanwhile', lines: [{ sku: 'b', quantity: 1 }] })]);
    return answer;
  };
  t.equal(await new LaneRelay(relayOptions(built, lane, { send }), lane).pass(), 'published');
  const left = await built.connection.redis.xrange(laneKeys(lane).outbox, '-', '+');
  t.same(
    left.map(([id]) => id.split('-')[1]),
    ['11'],
  );
});

await t.test(
  'a lane that trickles is published four times a second, not for each entry, and soon',
  async (t) => {
    const lane = await fill(0);
    let sends = 0;
    const send: Send = (record) => {
      sends += 1;
      return producer.send(record);
    };
    const stop = new AbortController();
    const running = new LaneRelay(relayOptions(built, lane, { send }), lane).run(stop.signal);
    const startedAt = performance.now();
    for (let count = 1; count <= 100; count += 1) {
      await built.reserveAll([
        item(lane.saleId, { userId: `u${count}`, lines: [{ sku: 'b', quantity: 1 }] }),
      ]);
    }
    const lastAt = performance.now();
    await until('an empty outbox', async () => (await outboxLength(lane)) === 0);
    const passes = (performance.now() - startedAt) / 250;
    t.ok(performance.now() - lastAt < 700, 'an order is due in Postgres within a second');
    stop.abort();
    await running;
    t.ok(sends <= passes + 2, `${sends} sends in ${passes.toFixed(1)} quarters of a second`);
    // Kafka has them; the test's own consumer may be behind.
    await until('all are there', () => received.of(lane.saleId).length >= 100);
    holdsAll(t, lane, 100);
  },
);

await t.test('of two relays at once one has the lease, and nothing is published twice', async (t) => {
  const lane = await fill(1_000);
  const stop = new AbortController();
  const tokens = new Set<string>();
  const relays = ['one', 'two'].map((token) => {
    const send: Send = (record) => {
      tokens.add(token);
      return producer.send(record);
    };
    return createRelay(relayOptions(built, lane, { token, send, batchCountMax: 100 })).run(stop.signal);
  });
  await until('the outbox is empty', async () => (await outboxLength(lane)) === 0);
  stop.abort();
  await Promise.all(relays);
  await until('all are there', () => received.of(lane.saleId).length >= 1_000);
  t.equal(tokens.size, 1);
  t.equal(received.of(lane.saleId).length, 1_000);
  holdsAll(t, lane, 1_000);
});

await t.test(
  'a relay that lost its lease while it published cannot trim; the new holder publishes again',
  async (t) => {
    const lane = await fill(20);
    const { redis } = built.connection;
    const two = new LaneRelay(relayOptions(built, lane, { token: 'two' }), lane);
    let sends = 0;
    const send: Send = async (record) => {
      const answer = await producer.send(record);
      sends += 1;
      if (sends === 1) {
        // The lease now looks as if this process had slept through it and another had taken it.
        await redis.del(laneKeys(lane).lease);
        t.equal(await redis.lease(scriptKeys('lease', lane), 'two', 5_000), 1);
      }
      return answer;
    };
    const one = new LaneRelay(relayOptions(built, lane, { token: 'one', send }), lane);
    t.equal(await one.pass(), 'leased');
    t.equal(await outboxLength(lane), 20, 'nothing was trimmed');
    t.equal(await one.pass(), 'leased', 'and it has stopped');
    t.equal(sends, 1);
    t.equal(await two.pass(), 'published');
    t.equal(await outboxLength(lane), 0);
    await until('twice each', () => received.of(lane.saleId).length === 40);
  },
);

await t.test('a publish slower than the lease is still trimmed when nobody else took it', async (t) => {
  const lane = await fill(5);
  const send: Send = async (record) => {
    const answer = await producer.send(record);
    await systemClock.sleep(700);
    return answer;
  };
  const relay = new LaneRelay(relayOptions(built, lane, { leaseMs: 500, send }), lane);
  t.equal(await relay.pass(), 'published');
  t.equal(await outboxLength(lane), 0, 'else a slow Kafka would be published to for ever');
});

await t.test(
  'an entry that makes no message is a dead letter, and what is behind it is published',
  async (t) => {
    const fields = {
      'no record': ['traceparent', 't'],
      'half a line': ['record', 'u\nk\nrandom\n1000-1\n1\n2\nCNY\n\n\na\n1'],
      'a price that is none': ['record', 'u\nk\nrandom\n1000-1\n1\n2\nCNY\n\n\na\n1\nx'],
      'the entry of another id': ['record', 'u\nk\nrandom\n1000-2\n1\n2\nCNY\n\n\na\n1\n5'],
    };
    for (const [name, entry] of Object.entries(fields)) {
      const lane = await fill(2);
      const { outbox } = laneKeys(lane);
      await built.connection.redis.xadd(outbox, '1000-1', ...entry);
      const sent: { topic: string; values: string[] }[] = [];
      const send: Send = async (record) => {
        sent.push({ topic: record.topic, values: record.messages.map(({ value }) => String(value)) });
        return producer.send(record);
      };
      t.equal(await new LaneRelay(relayOptions(built, lane, { send }), lane).pass(), 'published', name);
      t.equal(await outboxLength(lane), 0, name);
      const [letters, orders] = [TOPICS.deadLetters, TOPICS.reservations].map((topic) =>
        sent.filter((one) => one.topic === topic.name).flatMap(({ values }) => values),
      );
      t.equal(orders?.length, 2, `${name}: the others are published`);
      t.match(
        letters?.map((letter) => JSON.parse(letter) as unknown),
        [{ topic: outbox, offset: '1000-1' }],
        name,
      );
      const kept = Buffer.from((JSON.parse(letters?.[0] ?? '{}') as { value: string }).value, 'base64');
      t.equal(kept.toString(), entry[0] === 'record' ? entry[1] : '', `${name}: with its bytes`);
    }
  },
);

await t.test('the outbox gauges tell what waits and for how long', async (t) => {
  const lane = await fill(3);
  const options = relayOptions(built, lane, {
    send: async () => Promise.reject(new Error('the broker is away')),
  });
  await systemClock.sleep(120);
  await t.rejects(new LaneRelay(options, lane).pass());
  t.match((await options.metrics.outboxEntries.get()).values, [
    { value: 3, labels: { lane: `${lane.saleId}:0` } },
  ]);
  const age = (await options.metrics.outboxOldestSeconds.get()).values[0]?.value ?? 0;
  t.ok(age >= 0.1 && age < 60, `${age} s`);
});

await t.test(
  'a relay process killed in the middle loses nothing; the next one takes over after the lease',
  async (t) => {
    const engines = await startRedis(t);
    const own = await build(t, { redisUrl: engines.redis });
    const lane = await fill(3_000, own);
    const start = async (): Promise<Child> => {
      const { child } = await startStock(t, {
        REDIS_URL: engines.redis,
        ORDER_URL: own.order.url,
        ROLES: 'relay',
        RELAY_BATCH_COUNT_MAX: '25',
        RELAY_LEASE_MS: '600',
      });
      return child;
    };
    const first = await start();
    await until('the first is in the middle', async () => (await outboxLength(lane, own)) < 2_900);
    first.killGroup('SIGKILL');
    await first.exited;
    const left = await outboxLength(lane, own);
    t.ok(left > 0, `${left} entries were left`);
    const second = await start();
    await until('the outbox is empty', async () => (await outboxLength(lane, own)) === 0, 60_000);
    await until(
      'all are there',
      () => new Set(received.of(lane.saleId).map(({ sequence }) => sequence)).size === 3_000,
    );
    holdsAll(t, lane, 3_000);
    await second.stop();
    const { code } = await second.exited;
    t.equal(code, 0, 'asked to stop, it ends in order');
    t.equal(await own.connection.redis.exists(laneKeys(lane).lease), 0, 'and gives the lease back');
  },
);
