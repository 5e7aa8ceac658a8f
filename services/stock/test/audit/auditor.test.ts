// Goal: the audit reads what the engines hold, sees whatever is between them and is not misled by other
// sales; the role tells what it found once, keeps it in mind and starves no sale.
// Method: a real Redis; a real Kafka with topics and a group of the test's own, so that their lags are its
// own too; what Postgres stores is told by the stand-in of order. Both services together:
// test/invariants/audit.test.ts.
import { RESERVATION_CREATED, TOPICS, type Audit, type LedgerReading, type Topic } from '@seckill/contracts';
import { connectProducer, makeTopic, silent } from '@seckill/testing';
import { createPublisher, createRegistry, systemClock } from '@seckill/runtime';
import t from 'tap';
import { Auditor } from '../../src/audit/auditor.ts';
import { judge, type AuditReading } from '../../src/audit/judge.ts';
import { AuditMemory } from '../../src/audit/memory.ts';
import { createKafkaOffsets, type KafkaOffsets } from '../../src/kafka-offsets.ts';
import { laneKeys } from '../../src/redis/keys.ts';
import { createAuditMetrics } from '../../src/audit/metrics.ts';
import { createRelayMetrics } from '../../src/relay/metrics.ts';
import { OrderClient } from '../../src/order-client.ts';
import { createOutbox } from '../../src/relay/outbox.ts';
import { LaneRelay } from '../../src/relay/lane-relay.ts';
import { keyHashOf } from '../../src/redis/reservation-id.ts';
import { build, makeGauges, until } from '../support/build.ts';
import { kafka } from '../support/kafka.ts';
import { TOKENS } from '../support/order.ts';
import { openSale, publishSettled, reserveMany, settledMessage, startSettler } from '../support/settling.ts';
import { makeReservationId } from '../support/snapshot.ts';

const own: Record<string, Topic> = {
  [TOPICS.reservations.name]: await makeTopic(kafka, TOPICS.settlements.partitions),
  [TOPICS.settlements.name]: await makeTopic(kafka, TOPICS.settlements.partitions),
  [TOPICS.deadLetters.name]: await makeTopic(kafka, TOPICS.settlements.partitions),
};
const ownOf = (topic: Topic): Topic => own[topic.name] ?? topic;
const settlements = ownOf(TOPICS.settlements);
const real = createKafkaOffsets(kafka, silent);
t.teardown(() => real.close());
const offsets: KafkaOffsets = {
  readEnds: (topic = TOPICS.reservations) => real.readEnds(ownOf(topic)),
  // The group of startSettler has the name of its topic.
  readLag: (topic, _group, ends) => real.readLag(ownOf(topic), settlements.name, ends),
  count: (topic) => real.count(ownOf(topic)),
};
const producer = await connectProducer(t, kafka);
const publisher = createPublisher(producer);
const built = await build(t, { offsets });
const { order } = built;
// A fresh Kafka makes its topic of groups at the first question, and has no coordinator until then.
await until('the offsets can be asked', () =>
  Promise.all([offsets.readEnds(), offsets.readLag(TOPICS.settlements, '', [])]).then(
    () => true,
    () => false,
  ),
);

/** Order's stand-in gives the next of these to every sale it is asked for. */
const epochs = new Map<string, number>();

/** What Postgres would answer. Only the item `b` is in use, because reserveMany reserves `b`. */
function ledgerOf(saleId: string, patch: Partial<LedgerReading> & { pending?: number; paid?: number } = {}) {
  const { pending = 0, paid = 0, ...rest } = patch;
  const ledger: LedgerReading = {
    saleId,
    now: Date.now(),
    epoch: epochs.get(saleId) ?? order.epoch,
    items: [
      { sku: 'a', total: 3, sold: 0, pending: 0, paid: 0 },
      { sku: 'b', total: 100_000, sold: pending + paid, pending, paid },
    ],
    lanes: [{ lane: 0, sequence: pending + paid, gaps: 0 }],
    overLimit: 0,
    overCap: 0,
    doubleKeys: 0,
    overdue: 0,
    stored: Array.from({ length: TOPICS.reservations.partitions }, () => '0'),
    orderOutbox: 0,
    replayedDeadLetters: 0,
    ...rest,
  };
  return ledger;
}

async function audit(saleId: string): Promise<Audit> {
  const { status, body } = await built.send('GET', `/internal/sales/${saleId}/audit`);
  if (status !== 200) throw new Error(`audit: ${status} ${JSON.stringify(body)}`);
  return body as unknown as Audit;
}

async function relay(saleId: string): Promise<void> {
  const lane = { saleId, lane: 0 };
  const outbox = createOutbox(built.connections);
  const metrics = createRelayMetrics(createRegistry());
  const one = new LaneRelay(
    {
      outbox,
      publisher: { publish: (topic, kind, messages) => publisher.publish(ownOf(topic), kind, messages) },
      clock: systemClock,
      random: Math.random,
      logger: silent,
      metrics,
      gauges: makeGauges(built, metrics),
      token: `relay-${Math.random()}`,
      leaseMs: 5_000,
      batchCountMax: 500,
      chores: [],
    },
    lane,
  );
  await until('the outbox is empty', async () => {
    await one.pass();
    return (await outbox.read(lane, 1)).length === 0;
  });
}

await t.test('everything between the engines is seen, from the outbox to the settler', async (t) => {
  const saleId = await openSale(built);
  let ledger: Parameters<typeof ledgerOf>[1] = {};
  order.readLedger = async (id) => (id === saleId ? ledgerOf(id, ledger) : undefined);
  t.match(
    await audit(saleId),
    { verdict: 'holds', epoch: order.epoch, findings: [] },
    'nothing happened yet',
  );

  const reservations = await reserveMany(built, saleId, 3);
  t.match(await audit(saleId), { verdict: 'in_flight', inFlight: { outbox: 3, kafkaLag: 0 } });
  await relay(saleId);
  t.match(await audit(saleId), { verdict: 'in_flight', inFlight: { outbox: 0, kafkaLag: 3 } });

  ledger = { pending: 3, stored: await offsets.readEnds() };
  const stored = await audit(saleId);
  t.match(stored, { verdict: 'holds', inFlight: { kafkaLag: 0 } });
  t.strictSame(stored.redis[1], { sku: 'b', total: 100_000, available: 99_997, held: 3, paid: 0 });

  ledger = { ...ledger, pending: 2, paid: 1, orderOutbox: 1 };
  t.match(await audit(saleId), { verdict: 'in_flight', inFlight: { orderOutbox: 1 } });
  const [paid] = reservations;
  if (paid === undefined) return;
  await publishSettled(producer, settlements, [settledMessage(paid, 'paid')]);
  ledger = { ...ledger, orderOutbox: 0 };
  t.match(await audit(saleId), { verdict: 'in_flight', inFlight: { kafkaLag: 1 } }, 'nobody applies it');
  await startSettler(t, built, { topic: settlements, producer });
  await until('the settler has caught up', async () => (await audit(saleId)).inFlight.kafkaLag === 0);
  t.match(await audit(saleId), { verdict: 'holds', redis: [{}, { held: 2, paid: 1 }] });

  await publisher.publish(ownOf(TOPICS.deadLetters), RESERVATION_CREATED, [{ key: 'k', value: '{}' }]);
  t.match(await audit(saleId), { verdict: 'holds', inFlight: { deadLetters: 1 } });
  ledger = { ...ledger, replayedDeadLetters: 1 };
  t.match(await audit(saleId), { inFlight: { deadLetters: 0 } });
});

await t.test('what other sales send meanwhile keeps nobody from a verdict', async (t) => {
  const saleId = await openSale(built);
  await reserveMany(built, saleId, 2);
  await relay(saleId);
  let before = await offsets.readEnds();
  let readings = 0;
  order.readLedger = async () => {
    readings += 1;
    const ledger = ledgerOf(saleId, { pending: 2, stored: before });
    // The next reading finds these stored, and others will have come by then.
    before = await offsets.readEnds();
    await publisher.publish(ownOf(TOPICS.reservations), RESERVATION_CREATED, [
      { key: `other-${readings}`, value: '{}' },
    ]);
    return ledger;
  };
  t.match(await audit(saleId), { verdict: 'holds', inFlight: { kafkaLag: 0 } });
  t.ok(readings <= 3, `${readings} readings`);

  readings = 0;
  const ends = await offsets.readEnds();
  order.readLedger = async () => {
    readings += 1;
    return ledgerOf(saleId, { pending: 2, ...(readings > 2 ? { stored: ends } : {}) });
  };
  t.match(await audit(saleId), { verdict: 'holds' }, 'the intake is waited for');
  t.equal(readings, 3);
});

await t.test('a hold past its end is counted, and one that cannot be read with it', async (t) => {
  const expired = {
    epoch: 1,
    sequence: 1,
    lines: [{ sku: 'b', quantity: 1, price: 10 }],
    reservedAt: 1_000,
    expiresAt: 2_000,
    status: 'pending' as const,
  };
  const sale = built.addSale();
  const { saleId } = sale;
  order.orders = ['u1', 'u2', 'u3'].map((userId) => ({
    ...expired,
    reservationId: makeReservationId({ saleId, lane: 0 }, userId, 'k'),
    userId,
    idempotencyKey: 'k',
    ...(userId === 'u3' ? { expiresAt: Date.now() + 600_000 } : {}),
  }));
  await built.hand(sale);
  order.orders = [];
  order.readLedger = async () =>
    ledgerOf(saleId, {
      pending: 3,
      stored: await offsets.readEnds(),
      lanes: [{ lane: 0, sequence: 0, gaps: 0 }],
    });
  t.match(await audit(saleId), { verdict: 'broken', invariants: { 'INV-3': 'holds', 'INV-5': 'broken' } });
  t.match((await audit(saleId)).findings, [/^INV-5: 2 holds/]);
  await built.connection.redis.hset(
    laneKeys({ saleId, lane: 0 }).holds,
    keyHashOf('u3', 'k'),
    'half\na record',
  );
  t.match((await audit(saleId)).findings, [/^INV-5: 3 holds/]);
});

await t.test('what is past its end is called broken only when it stays so', async (t) => {
  const saleId = await openSale(built);
  let looks = 0;
  // A look reads the ledger twice.
  let overdueUntil = 4;
  order.readLedger = async (id) => {
    looks += 1;
    const overdue = looks <= overdueUntil ? 2 : 0;
    return id === saleId ? ledgerOf(id, { overdue, stored: await offsets.readEnds() }) : undefined;
  };
  t.match(await audit(saleId), { verdict: 'holds' }, 'expiry was late, as after a freeze');
  t.ok(looks > 4, 'it was looked at again');
  overdueUntil = Number.POSITIVE_INFINITY;
  t.match(await audit(saleId), { verdict: 'broken', invariants: { 'INV-5': 'broken' } }, 'it is stuck');
});

await t.test('there is no audit unless every engine is there, and only the gateway may ask', async (t) => {
  const saleId = await openSale(built);
  const path = `/internal/sales/${saleId}/audit`;
  order.readLedger = async () => undefined;
  t.match(await built.send('GET', path), { status: 404, body: { code: 'sale_not_found' } });
  order.readLedger = async (id) => ledgerOf(id);
  t.match(await built.send('GET', path, { as: 'order' }), { status: 403 });
  t.match(await built.send('GET', path, { as: 'nobody' }), { status: 401 });
  const withoutKafka = await build(t, { order });
  t.match(await withoutKafka.send('GET', path), { status: 503, body: { code: 'sale_unavailable' } });
  t.match(await built.send('GET', path), { status: 200 });
  await built.connection.redis.del(laneKeys({ saleId, lane: 0 }).state);
  t.match(
    await built.send('GET', path),
    { status: 200, body: { verdict: 'in_flight' } },
    'Redis answered: lost',
  );
});

await t.test('those who ask for the same sale at the same time share one reading', async (t) => {
  const saleId = await openSale(built);
  let readings = 0;
  order.readLedger = async (id) => {
    readings += 1;
    return ledgerOf(id, { stored: await offsets.readEnds() });
  };
  const audits = await Promise.all([audit(saleId), audit(saleId), audit(saleId)]);
  t.equal(readings, 2);
  t.same(audits[1], audits[0]);
  await audit(saleId);
  t.equal(readings, 4, 'later ones read anew');
});

function makeRole(options: { listed: string[]; read?: (saleId: string) => Promise<AuditReading> }) {
  const lines: { level: string; invariant: unknown; saleId: unknown; text: unknown }[] = [];
  const logger = silent.child({});
  for (const level of ['error', 'warn'] as const) {
    logger[level] = (facts: unknown, text?: unknown) => {
      const { invariant, saleId } = facts as Record<string, unknown>;
      lines.push({ level, invariant, saleId, text });
    };
  }
  const clock = { ...systemClock, ms: 1_000, now: () => clock.ms };
  const memory = new AuditMemory({ clock, logger });
  const registry = createRegistry();
  const sides = { listed: options.listed };
  const auditor = new Auditor({
    reader: { read: options.read ?? ((saleId) => built.auditReader.read(saleId)) },
    orderClient: {
      listSales: async () => sides.listed.map((saleId) => ({ saleId, epoch: 1, mayRetire: false, lanes: 0 })),
    },
    memory,
    clock,
    logger,
    metrics: createAuditMetrics(registry, memory),
    intervalMs: 10,
  });
  const round = () => auditor.round(new AbortController().signal);
  const valueOf = async (name: string, invariant?: string): Promise<number | undefined> => {
    const metric = await registry.getSingleMetric(`seckill_stock_audit_${name}`)?.get();
    return metric?.values.find(({ labels }) => labels['invariant'] === invariant)?.value;
  };
  return { auditor, round, clock, lines, sides, valueOf };
}

await t.test('readings take at most a tenth of the time, also those of a large sale', async (t) => {
  const rests: number[] = [];
  const tookMs: Record<string, number> = { small: 20, large: 6_000, failing: 5_000, hanging: 60_000 };
  const role = makeRole({
    listed: ['small', 'large'],
    read: async (saleId) => {
      role.clock.ms += tookMs[saleId] ?? 0;
      if (saleId === 'failing' || saleId === 'hanging')
        throw new Error('Postgres ended the sum for its time');
      return built.auditReader.read(known);
    },
  });
  role.clock.sleep = async (ms) => {
    rests.push(Math.round(ms));
  };
  const known = await openSale(built);
  epochs.set(known, order.epoch);
  order.readLedger = async (id) => ledgerOf(id, { stored: await offsets.readEnds() });
  await role.round();
  t.same(rests.splice(0), [9 * 20, 9 * 6_000]);
  for (const name of ['failing', 'hanging']) {
    role.sides.listed = [name];
    await t.rejects(role.round());
  }
  t.same(rests, [9 * 5_000, 120_000], 'also after one that failed; at most two minutes');
});

await t.test(
  'the role tells once that an invariant broke and once that it holds, and forgets nothing between',
  async (t) => {
    const saleId = await openSale(built);
    epochs.set(saleId, order.epoch);
    const other = await openSale(built);
    const ends = await offsets.readEnds();
    const ledgers = new Map<string, Partial<LedgerReading>>();
    order.readLedger = async (id) => ledgerOf(id, { stored: ends, ...ledgers.get(id) });
    const role = makeRole({ listed: [saleId, other] });
    await role.round();
    t.same(role.lines, []);
    t.equal(await role.valueOf('broken_sales', 'INV-3'), 0);

    const { redis } = built.connection;
    const key = laneKeys({ saleId, lane: 0 }).state;
    await redis.hincrby(key, 'b:available', 7);
    await role.round();
    await role.round();
    t.same(role.lines, [
      { level: 'error', invariant: 'INV-3', saleId, text: 'audit: an invariant is broken' },
    ]);
    t.equal(await role.valueOf('broken_sales', 'INV-3'), 1, 'the other sale holds');
    t.equal(await role.valueOf('drift_units', 'INV-3'), 7);
    t.equal(Number(await redis.hget(key, 'b:available')), 100_007, 'nobody repaired it');

    // While it is in flight nothing proves that it holds.
    ledgers.set(saleId, { orderOutbox: 1 });
    role.clock.ms += 60_000;
    await role.round();
    t.equal(await role.valueOf('broken_sales', 'INV-3'), 1);
    t.equal(await role.valueOf('in_flight_seconds'), 60);
    t.equal(await role.valueOf('age_seconds'), 0);
    t.equal(role.lines.length, 1);

    ledgers.clear();
    await redis.hincrby(key, 'b:available', -7);
    await role.round();
    t.same(role.lines.slice(1), [
      { level: 'warn', invariant: 'INV-3', saleId, text: 'audit: an invariant holds again' },
    ]);
    t.equal(await role.valueOf('broken_sales', 'INV-3'), 0);
    t.equal(await role.valueOf('drift_units', 'INV-3'), 0);
    t.equal(await role.valueOf('in_flight_seconds'), 0);

    ledgers.set(saleId, { doubleKeys: 1 });
    await role.round();
    t.equal(await role.valueOf('broken_sales', 'INV-4'), 1);
    role.sides.listed = [other];
    await role.round();
    t.equal(await role.valueOf('broken_sales', 'INV-4'), 0, 'a retired sale is forgotten');
    t.match(role.lines.at(-1), { level: 'warn', text: 'audit: a sale was retired while broken' });
  },
);

await t.test('a sale that cannot be read holds up none of the others, and its age tells', async (t) => {
  const [bad, good] = ['t-bad', 't-good'];
  const healthy = await openSale(built);
  order.readLedger = async (id) => ledgerOf(id, { stored: await offsets.readEnds() });
  const reading = await built.auditReader.read(healthy);
  t.equal(judge(reading).audit.verdict, 'holds');
  const asked: string[] = [];
  const role = makeRole({
    listed: [bad, good],
    read: async (saleId) => {
      asked.push(saleId);
      if (saleId === bad) throw new Error('it cannot be read');
      return {
        ...reading,
        postgres: [
          { ...reading.postgres[0], saleId },
          { ...reading.postgres[1], saleId },
        ],
      };
    },
  });
  await t.rejects(role.round());
  role.clock.ms += 5_000;
  await t.rejects(role.round());
  t.same(asked, [bad, good, bad], 'the longest waiting comes first');
  t.equal(await role.valueOf('age_seconds'), 5);
  role.sides.listed = [good];
  await role.round();
  t.equal(await role.valueOf('age_seconds'), 0);
});

await t.test('the role goes on while engines are away, and ends when it is told to', async (t) => {
  const role = makeRole({
    listed: ['t-one'],
    read: async () => {
      throw new Error('away');
    },
  });
  const stop = new AbortController();
  const running = role.auditor.run(stop.signal);
  await until('it tried again and again', async () => ((await role.valueOf('failures_total')) ?? 0) >= 3);
  stop.abort();
  await running;
  t.equal(await role.valueOf('sales_total'), 0);
});

await t.test('lag is what lies before the ends and was not committed', async (t) => {
  const topic = await makeTopic(kafka, TOPICS.settlements.partitions);
  const empty = await real.readEnds(topic);
  t.equal(await real.readLag(topic, topic.name, empty), 0, 'an empty topic that nobody reads');
  const messages = Array.from({ length: 50 }, (_, index) => ({ key: `k${index}`, value: '{}' }));
  await publisher.publish(topic, RESERVATION_CREATED, messages);
  t.equal(await real.readLag(topic, topic.name, empty), 0, 'they came after these ends');
  const ends = await real.readEnds(topic);
  t.equal(await real.readLag(topic, topic.name, ends), 50);
  t.equal(await real.count(topic), 50);
  const admin = kafka.admin();
  await admin.connect();
  t.teardown(() => admin.disconnect());
  const [first = '0', ...others] = ends;
  await admin.setOffsets({
    groupId: topic.name,
    topic: topic.name,
    partitions: [
      { partition: 0, offset: '0' },
      ...others.map((offset, index) => ({ partition: index + 1, offset })),
    ],
  });
  t.equal(await real.readLag(topic, topic.name, ends), Number(first), 'one partition is not read yet');
});

await t.test('the reader’s own client of order tells a lost sale from an order that is away', async (t) => {
  const client = new OrderClient({ url: order.url, token: TOKENS.stock });
  t.teardown(() => client.close());
  order.readLedger = async () => undefined;
  await t.rejects(client.readLedger('t-nothing'), { code: 'SECKILL_ORDER_GONE' });
  const stranger = new OrderClient({ url: order.url, token: 'x'.repeat(32) });
  t.teardown(() => stranger.close());
  order.readLedger = async (id) => ledgerOf(id);
  await t.rejects(stranger.readLedger('t-nothing'), { code: 'SECKILL_ORDER_UNAVAILABLE' });
});
