// Goal: through a real Kafka nothing is lost and nothing counts twice, whoever restarts and whatever is
// forgotten.
// Method: real topics of the test's own, real consumers in groups of their own, real Postgres.
import { randomBytes } from 'node:crypto';
import { RESERVATION_CREATED, TOPICS, type DeadLetter, type Topic } from '@seckill/contracts';
import { connectKafka, connectPublisher, countOf, makeTopic, silent } from '@seckill/testing';
import { systemClock, type Kafka, type Pool, type Publisher } from '@seckill/runtime';
import { test, type Test } from 'tap';
import { consumeReservations } from '../../src/intake/intake-consumer.ts';
import { assembleIntake } from '../../src/intake/role.ts';
import { createTopics, TopicsError } from '../../src/commands/topics.ts';
import { createDatabase } from '../support/database.ts';
import { readValues, SINGLE_BROKER } from '../support/kafka.ts';
import { createTestMetrics, until } from '../support/build.ts';
import { findLedgerMismatches, makeReservation, readSold, storeSale } from '../support/reservations.ts';

interface Fixture {
  kafka: Kafka;
  topic: Topic;
  groupId: string;
  publisher: Publisher;
  pool: Pool;
}

async function createFixture(t: Test, partitions: number): Promise<Fixture> {
  const kafka = connectKafka('order-test');
  await createTopics(kafka, SINGLE_BROKER);
  const topic = await makeTopic(kafka, partitions);
  const publisher = await connectPublisher(t, kafka);
  const { pool } = await createDatabase(t);
  return { kafka, topic, groupId: `order-test.${randomBytes(6).toString('hex')}`, publisher, pool };
}

/** An intake as main.ts assembles it. */
async function startIntake(t: Test, { kafka, topic, groupId, publisher, pool }: Fixture) {
  const metrics = createTestMetrics();
  const failures: unknown[] = [];
  const wake = () => undefined;
  const intake = assembleIntake({ pool, publisher, wake, logger: silent, metrics, batchCountMax: 50 });
  const onFail = (error: unknown) => failures.push(error);
  let isAssigned = false;
  const onAssigned = intake.onAssigned.bind(intake);
  intake.onAssigned = async (assignment) => {
    isAssigned = true;
    await onAssigned(assignment);
  };
  const stopConsumer = await consumeReservations({ kafka, intake, onFail, groupId, topic });
  // kafkajs connects again when it is disconnected while it joins, and keeps its sockets. The sockets would
  // hold up the end of this file.
  const stop = async () => {
    await until('a place in the group', () => isAssigned);
    await stopConsumer();
  };
  t.teardown(stop);
  return { stop, metrics, failures };
}

async function untilStored(pool: Pool, count: number): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const { rows } = await pool.query<{ count: number }>('SELECT count(*)::int FROM orders');
    const stored = rows[0]?.count ?? 0;
    if (stored >= count) return;
    if (performance.now() > deadline) throw new Error(`${stored} of ${count} orders after 20 s`);
    await systemClock.sleep(20);
  }
}

async function publish({ publisher, topic }: Fixture, values: { reservationId: string }[]): Promise<void> {
  const messages = values.map((value) => ({ key: value.reservationId, value: JSON.stringify(value) }));
  await publisher.publish(topic, RESERVATION_CREATED, messages);
}

await test('what is published is stored once, by several intakes, with a poison message among it', async (t) => {
  const fixture = await createFixture(t, 4);
  const saleId = await storeSale(fixture.pool, { orange: 1_000 });
  const values = Array.from({ length: 300 }, () => makeReservation(saleId));
  const poison = { reservationId: 'poison', hello: 'world' };
  const stranger = makeReservation('no-such-sale');
  const intakes = [await startIntake(t, fixture), await startIntake(t, fixture)];
  await publish(fixture, [...values.slice(0, 150), poison, stranger]);
  // All are published again, as by a relay that died before it trimmed the outbox.
  await publish(fixture, values.slice(100));
  await untilStored(fixture.pool, 300);

  const letters = await readValues(t, fixture.kafka, {
    topic: TOPICS.deadLetters.name,
    count: 2,
    matches: (value) => value.includes(fixture.topic.name),
  });
  const bodies = letters.map((letter) => JSON.parse(letter) as DeadLetter);
  t.same(
    // A message is parked twice when its partition moves to the other intake at that moment.
    [...new Set(bodies.map(({ value }) => Buffer.from(value, 'base64').toString()))].sort(),
    [poison, stranger].map((value) => JSON.stringify(value)).sort(),
    'both are in dead letters, as they were',
  );
  t.equal(await readSold(fixture.pool, saleId), 300);
  t.same(await findLedgerMismatches(fixture.pool), []);
  for (const { failures } of intakes) t.same(failures, []);
});

await test('an intake that restarts goes on where the rows end, and a new one sees no gap', async (t) => {
  const fixture = await createFixture(t, 2);
  const saleId = await storeSale(fixture.pool, { orange: 1_000 });
  const values = Array.from({ length: 200 }, () => makeReservation(saleId));
  const first = await startIntake(t, fixture);
  await publish(fixture, values.slice(0, 100));
  await untilStored(fixture.pool, 100);
  await first.stop();
  await publish(fixture, values.slice(100));
  const second = await startIntake(t, fixture);
  await untilStored(fixture.pool, 200);
  t.equal(await countOf(second.metrics.intakeMessages, 'stored'), 100);
  t.equal(await countOf(second.metrics.intakeAlarms, 'gap'), 0);
  t.equal(await readSold(fixture.pool, saleId), 200);
});

await test('a Postgres that was restored to an earlier state sees every message again (INV-2)', async (t) => {
  const fixture = await createFixture(t, 2);
  const saleId = await storeSale(fixture.pool, { orange: 1_000 });
  const values = Array.from({ length: 100 }, () => makeReservation(saleId));
  const first = await startIntake(t, fixture);
  await publish(fixture, values);
  await untilStored(fixture.pool, 100);
  await first.stop();
  // Kafka's group stands at the end, and Postgres has forgotten everything.
  await fixture.pool.query('TRUNCATE orders, returns, intake_offsets');
  await fixture.pool.query('UPDATE ledger SET sold = 0');
  const second = await startIntake(t, fixture);
  // Nothing is published any more: the sale is over, and no new message brings the old ones along.
  await untilStored(fixture.pool, 100);
  t.equal(await readSold(fixture.pool, saleId), 100);
  t.equal(await countOf(second.metrics.intakeAlarms, 'gap'), 0);
});

await test('messages that Kafka no longer has are alarmed, and those it has are stored', async (t) => {
  const fixture = await createFixture(t, 1);
  const saleId = await storeSale(fixture.pool, { orange: 1_000 });
  const values = Array.from({ length: 30 }, () => makeReservation(saleId));
  await publish(fixture, values);
  const admin = fixture.kafka.admin();
  t.teardown(() => admin.disconnect());
  await admin.connect();
  // kafkajs deletes only in topics it has looked at.
  await admin.fetchTopicOffsets(fixture.topic.name);
  await admin.deleteTopicRecords({ topic: fixture.topic.name, partitions: [{ partition: 0, offset: '10' }] });
  const { metrics, failures } = await startIntake(t, fixture);
  await untilStored(fixture.pool, 20);
  t.equal(await countOf(metrics.intakeAlarms, 'gap'), 1);
  t.same(failures, []);
});

await test('an error of our own is reported, so that the process ends', async (t) => {
  const fixture = await createFixture(t, 1);
  await fixture.pool.query('ALTER TABLE intake_offsets RENAME COLUMN next_offset TO next');
  const { failures } = await startIntake(t, fixture);
  await publish(fixture, [makeReservation('any')]);
  const deadline = performance.now() + 15_000;
  while (failures.length === 0 && performance.now() < deadline) await systemClock.sleep(20);
  t.match(failures[0], { code: '42703' });
});

await test('topics are created once, by many at once, and one with too few partitions is refused', async (t) => {
  const kafka = connectKafka('order-test');
  const topic = { name: `order-test.${randomBytes(6).toString('hex')}`, partitions: 3 };
  await Promise.all([1, 2, 3].map(() => createTopics(kafka, SINGLE_BROKER, [topic])));
  t.same(await createTopics(kafka, SINGLE_BROKER, [topic]), []);
  await t.rejects(createTopics(kafka, SINGLE_BROKER, [{ ...topic, partitions: 4 }]), TopicsError);
  await t.resolves(createTopics(kafka, SINGLE_BROKER, [{ ...topic, partitions: 2 }]), 'more are unused');
});

await test('a Postgres restored to an earlier state is found out, though the sale is over and quiet', async (t) => {
  const fixture = await createFixture(t, 2);
  const saleId = await storeSale(fixture.pool, { orange: 1_000 });
  const values = Array.from({ length: 60 }, () => makeReservation(saleId));
  const first = await startIntake(t, fixture);
  await publish(fixture, values.slice(0, 30));
  await untilStored(fixture.pool, 30);
  await fixture.pool.query('CREATE TABLE backup AS SELECT * FROM orders');
  await fixture.pool.query('CREATE TABLE backup_offsets AS SELECT * FROM intake_offsets');
  await publish(fixture, values.slice(30));
  await untilStored(fixture.pool, 60);
  await first.stop();
  t.equal(await countOf(first.metrics.distrustedEpochs, 'restored'), 0);
  // The intake stops and starts again. The same Postgres is no reason for distrust.
  const same = await startIntake(t, fixture);
  await until('it has looked', async () => (await readCommitted(fixture)) === 60);
  await same.stop();
  t.equal(await countOf(same.metrics.distrustedEpochs, 'restored'), 0);
  await fixture.pool.query('TRUNCATE orders, returns, intake_offsets');
  await fixture.pool.query('INSERT INTO orders SELECT * FROM backup');
  await fixture.pool.query('INSERT INTO intake_offsets SELECT * FROM backup_offsets');
  await fixture.pool.query('UPDATE ledger SET sold = 30');
  const second = await startIntake(t, fixture);
  await untilStored(fixture.pool, 60);
  t.equal(await countOf(second.metrics.distrustedEpochs, 'restored'), 1);
  t.equal(await readSold(fixture.pool, saleId), 60);
  const { rows } = await fixture.pool.query('SELECT sale_id, epoch::int, reason FROM doubts');
  t.same(rows, [{ sale_id: saleId, epoch: 1, reason: 'restored' }]);
});

await test('a topic that was deleted and made anew is read from its beginning, by a new intake and a running one', async (t) => {
  const fixture = await createFixture(t, 1);
  const saleId = await storeSale(fixture.pool, { orange: 1_000 });
  const make = (length: number) => Array.from({ length }, () => makeReservation(saleId));
  const first = await startIntake(t, fixture);
  await publish(fixture, make(40));
  await untilStored(fixture.pool, 40);
  await first.stop();
  await remake(t, fixture);
  await publish(fixture, make(5));
  const second = await startIntake(t, fixture);
  await untilStored(fixture.pool, 45);
  t.equal(await countOf(second.metrics.intakeAlarms, 'anew'), 1);
  await remake(t, fixture);
  await publish(fixture, make(3));
  await untilStored(fixture.pool, 48);
  t.equal(await readSold(fixture.pool, saleId), 48);
  t.same(await findLedgerMismatches(fixture.pool), []);
  t.same(second.failures, []);
});

/** The offsets that Kafka remembers of the group, summed over the partitions. */
async function readCommitted({ kafka, groupId, topic }: Fixture): Promise<number> {
  const admin = kafka.admin();
  await admin.connect();
  const groups = await admin.fetchOffsets({ groupId, topics: [topic.name] });
  await admin.disconnect();
  return groups.flatMap(({ partitions }) => partitions).reduce((sum, { offset }) => sum + Number(offset), 0);
}

async function remake(t: Test, { kafka, topic }: Fixture): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [topic.name] });
  await until('the topic is gone', async () => !(await admin.listTopics()).includes(topic.name));
  await admin.disconnect();
  await createTopics(kafka, SINGLE_BROKER, [topic]);
  t.comment(`${topic.name} is made anew`);
}
