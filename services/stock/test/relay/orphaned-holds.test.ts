// Goal: a hold that nobody ended is published again, from the hold itself, and never too early or too often
// (docs/recovery.md, "Holds nobody ends").
// Method: holds of a few milliseconds on a real Redis, republished to a real Kafka; a settler ends them.
import { setTimeout as delay } from 'node:timers/promises';
import { HEADERS, TOPICS, type SnapshotOrder } from '@seckill/contracts';
import { connectProducer, createTopics, silent, valuesOf } from '@seckill/testing';
import { createPublisher, createRegistry, systemClock, type Producer } from '@seckill/runtime';
import t from 'tap';
import { fingerprintOf } from '../../src/redis/fingerprint.ts';
import { createReadHolds } from '../../src/redis/holds.ts';
import { laneKeys, scriptKeys, type Lane } from '../../src/redis/keys.ts';
import { createRelayMetrics } from '../../src/relay/metrics.ts';
import { OrphanScan, type OrphanScanDeps } from '../../src/relay/orphaned-holds.ts';
import { createOutbox } from '../../src/relay/outbox.ts';
import { LaneRelay, type Chore } from '../../src/relay/lane-relay.ts';
import { createRelay, type RelayDeps } from '../../src/relay/relay.ts';
import { createSettle } from '../../src/settler/settlements.ts';
import { build, item, makeGauges, startRedis, until } from '../support/build.ts';
import { kafka, receive } from '../support/kafka.ts';
import { startStock } from '../support/process.ts';
import { openSale, reserveMany } from '../support/settling.ts';
import { makeReservationId } from '../support/snapshot.ts';

type Send = (record: Parameters<Producer['send']>[0]) => ReturnType<Producer['send']>;

await createTopics(kafka, TOPICS.reservations);
const producer = await connectProducer(t, kafka);
const received = await receive(t);
const built = await build(t);
const HOLD_MS = 50;

function makeScan(lane: Lane, patch: Partial<OrphanScanDeps> & { send?: Send } = {}) {
  const metrics = createRelayMetrics(createRegistry());
  const { send: patched, ...options } = patch;
  const send: Send = patched ?? ((record) => producer.send(record));
  const scan = new OrphanScan(
    {
      readHolds: createReadHolds(built.connections),
      publisher: createPublisher({ send }),
      logger: silent,
      metrics,
      graceMs: 0,
      republishMs: 60_000,
      ...options,
    },
    lane,
  );
  return { scan, metrics };
}

const publishedCount = async ({ metrics }: ReturnType<typeof makeScan>): Promise<number> =>
  (await metrics.orphans.get()).values[0]?.value ?? 0;

await t.test(
  'a hold past its end and the grace is published once, with all of the first message',
  async (t) => {
    const saleId = await openSale(built, { holdMs: HOLD_MS });
    const lane = { saleId, lane: 0 };
    const request = item(saleId, {
      userId: 'u:1',
      channelId: 'x',
      ref: 'note',
      lines: [{ sku: 'b', quantity: 2 }],
    });
    await built.reserve(request);
    const relay = new LaneRelay(relayOptions(lane), lane);
    t.equal(await relay.pass(), 'published');
    const patient = makeScan(lane, { graceMs: 60_000 });
    const eager = makeScan(lane);
    await delay(HOLD_MS * 2);
    await patient.scan.step();
    t.equal(await publishedCount(patient), 0, 'within the grace');
    for (let step = 0; step < 5; step += 1) await eager.scan.step();
    t.equal(await publishedCount(eager), 1, 'once a minute at most');
    await until('both messages are there', () => received.of(saleId).length === 2);
    const [first, again] = received.of(saleId);
    const { headers: firstHeaders, ...firstBody } = first ?? { headers: {} };
    const { headers, ...body } = again ?? { headers: {} };
    t.same(body, firstBody, 'same key, partition and value');
    t.notOk(HEADERS.republished in firstHeaders);
    t.match(headers, {
      [HEADERS.republished]: '1',
      [HEADERS.type]: 'ReservationCreated',
      [HEADERS.version]: '1',
    });
  },
);

await t.test(
  'units taken again for late money have the grace from then on, though their hold is long over',
  async (t) => {
    const saleId = await openSale(built, { holdMs: HOLD_MS });
    const lane = { saleId, lane: 0 };
    const [reservation] = await reserveMany(built, saleId, 1);
    const id = reservation?.id ?? '';
    await createSettle(built.connections)([{ reservationId: id, verdict: 'expired' }]);
    await delay(HOLD_MS * 2);
    t.match(await built.retakes.retake([id]), [{ result: 'taken' }]);
    const { scan, metrics } = makeScan(lane, { graceMs: 300 });
    await scan.step();
    t.equal(await publishedCount({ scan, metrics }), 0, 'its settlement is on its way');
    await delay(400);
    await scan.step();
    t.equal(await publishedCount({ scan, metrics }), 1, 'nobody ended it');
    await until('the message is there', () => received.of(saleId).length === 1);
    t.match(received.of(saleId)[0]?.headers, { [HEADERS.republished]: '1' });
  },
);

await t.test('a hold is left alone before its end, and after its settlement', async (t) => {
  const saleId = await openSale(built, { holdMs: 60_000 });
  const lane = { saleId, lane: 0 };
  await reserveMany(built, saleId, 3);
  const early = makeScan(lane);
  await early.scan.step();
  t.equal(await publishedCount(early), 0);

  const ended = await openSale(built, { holdMs: HOLD_MS });
  const endedLane = { saleId: ended, lane: 0 };
  const reservations = await reserveMany(built, ended, 3);
  const settle = createSettle(built.connections);
  for (const { id } of reservations) {
    t.match(await settle([{ reservationId: id, verdict: 'expired' }]), [{ result: 'settled' }]);
  }
  await delay(HOLD_MS * 2);
  const late = makeScan(endedLane);
  await late.scan.step();
  t.equal(await publishedCount(late), 0);
});

await t.test('all holds are looked at in bounded steps, and again after a pause', async (t) => {
  const saleId = await openSale(built, { holdMs: HOLD_MS });
  await reserveMany(built, saleId, 2_000);
  await delay(HOLD_MS * 2);
  const sizes: number[] = [];
  const readHolds = createReadHolds(built.connections);
  const one = makeScan(
    { saleId, lane: 0 },
    {
      republishMs: 3_000,
      readHolds: async (...args) => {
        const page = await readHolds(...args);
        sizes.push(page.holds.length);
        return page;
      },
    },
  );
  while ((await publishedCount(one)) < 2_000 && sizes.length < 50) await one.scan.step();
  t.equal(await publishedCount(one), 2_000);
  t.ok(Math.max(...sizes) < 700, `at most ${Math.max(...sizes)} holds in one step`);
  for (let step = 0; step < 8; step += 1) await one.scan.step();
  t.equal(await publishedCount(one), 2_000, 'none a second time yet');
  await delay(3_000);
  for (let step = 0; step < 8; step += 1) await one.scan.step();
  t.equal(await publishedCount(one), 4_000, 'once more each');
});

await t.test('what Kafka did not confirm is published again by the next step', async (t) => {
  const saleId = await openSale(built, { holdMs: HOLD_MS });
  await reserveMany(built, saleId, 10);
  await delay(HOLD_MS * 2);
  let sends = 0;
  const one = makeScan(
    { saleId, lane: 0 },
    {
      send: async (record) => {
        sends += 1;
        const answer = await producer.send(record);
        return sends === 1 ? answer.slice(1) : answer;
      },
    },
  );
  await t.rejects(one.scan.step(), { code: 'SECKILL_KAFKA_PUBLISH' });
  t.equal(await publishedCount(one), 0);
  await one.scan.step();
  t.equal(await publishedCount(one), 10);
});

await t.test('a broken hold is reported and does not keep the others', async (t) => {
  const saleId = await openSale(built, { holdMs: HOLD_MS });
  const lane = { saleId, lane: 0 };
  await reserveMany(built, saleId, 3);
  const { redis } = built.connection;
  const [first = ''] = await redis.hkeys(laneKeys(lane).holds);
  await redis.hset(laneKeys(lane).holds, first, 'half\na record');
  await delay(HOLD_MS * 2);
  const one = makeScan(lane);
  await one.scan.step();
  t.equal(await publishedCount(one), 2);
});

await t.test(
  'a hold that came with a snapshot is published with the epoch and sequence of its reservation',
  async (t) => {
    const sale = built.addSale();
    const order: SnapshotOrder = {
      reservationId: makeReservationId({ saleId: sale.saleId, lane: 0 }, 'u1', 'k'),
      epoch: 3,
      sequence: 17,
      userId: 'u1',
      idempotencyKey: 'k',
      lines: [{ sku: 'b', quantity: 2, price: 10 }],
      reservedAt: 1_000,
      expiresAt: 2_000,
      status: 'pending',
    };
    built.order.orders = [order];
    await built.send('PUT', `/internal/sales/${sale.saleId}`, { as: 'order', body: sale });
    built.order.orders = [];
    const one = makeScan({ saleId: sale.saleId, lane: 0 });
    await one.scan.step();
    await until('it is there', () => received.of(sale.saleId).length === 1);
    const { status: _status, ...facts } = order;
    t.match(received.of(sale.saleId)[0], { ...facts, fingerprint: fingerprintOf({ lines: order.lines }) });
  },
);

function relayOptions(lane: Lane, chores: Chore[] = []): RelayDeps {
  const metrics = createRelayMetrics(createRegistry());
  return {
    lanes: async () => [lane],
    outbox: createOutbox(built.connections),
    publisher: createPublisher(producer),
    clock: systemClock,
    random: Math.random,
    logger: silent,
    metrics,
    gauges: makeGauges(built, metrics),
    token: `relay-${Math.random()}`,
    leaseMs: 5_000,
    batchCountMax: 500,
    sweepMs: 200,
    chores,
    retire: async () => undefined,
    retireMs: 60_000,
  };
}

await t.test(
  'chores run only under the lease, in their time, and a failing one holds up no order',
  async (t) => {
    const saleId = await openSale(built);
    const lane = { saleId, lane: 0 };
    const runs = { good: 0, bad: 0 };
    const chores: Chore[] = [
      {
        name: 'bad',
        everyMs: 10,
        prepare: () => async () => {
          runs.bad += 1;
          throw new Error('it cannot be done');
        },
      },
      {
        name: 'good',
        everyMs: 100,
        prepare: () => async () => {
          runs.good += 1;
          return true;
        },
      },
    ];
    const { redis } = built.connection;
    await redis.lease(scriptKeys('lease', lane), 'another', 60_000);
    const stop = new AbortController();
    const options = { ...relayOptions(lane, chores), leaseMs: 300 };
    const running = createRelay(options).run(stop.signal);
    await reserveMany(built, saleId, 10);
    await delay(400);
    t.same(runs, { good: 0, bad: 0 }, 'another has the lease');
    await redis.lease(scriptKeys('lease', lane), 'another', 0);
    await until('the outbox is empty', async () => (await redis.xlen(laneKeys(lane).outbox)) === 0, 2_000);
    await delay(1_000);
    stop.abort();
    await running;
    t.ok(runs.good >= 4 && runs.good <= 13, `${runs.good} times in about 1.1 s`);
    t.ok(runs.bad >= 1 && runs.bad <= 3, `${runs.bad} times: a failed chore waits a second`);
    t.ok(((await valuesOf(options.metrics.failures))[''] ?? 0) >= 1);
  },
);

await t.test('the relay process publishes orphans by itself', async (t) => {
  // The test has a Redis of its own, because the process relays every lane that it finds, also those of other
  // tests.
  const engines = await startRedis(t);
  const own = await build(t, { redisUrl: engines.redis });
  const saleId = await openSale(own, { holdMs: HOLD_MS });
  await reserveMany(own, saleId, 5);
  await startStock(t, {
    REDIS_URL: engines.redis,
    ORDER_URL: own.order.url,
    ROLES: 'relay',
    ORPHAN_GRACE_MS: '200',
    ORPHAN_SCAN_MS: '50',
    RELAY_SWEEP_MS: '200',
  });
  const republished = () => received.of(saleId).filter(({ headers }) => headers[HEADERS.republished] === '1');
  await until(
    'each twice',
    () => new Set(republished().map(({ reservationId }) => reservationId)).size === 5,
    20_000,
  );
  t.equal(received.of(saleId).length, 10);
});
