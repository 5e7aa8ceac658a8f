// Goal: every settlement that was committed reaches Kafka at least once, and is marked only when Kafka
// confirmed it.
// Method: the real relay over a real Postgres and a real Kafka; a publisher of the test's own where it must
// fail.
import { HEADERS, TOPICS } from '@seckill/contracts';
import { connectKafka, connectPublisher, makeTopic, silent } from '@seckill/testing';
import {
  createPool,
  PublishError,
  systemClock,
  type Clock,
  type OutgoingMessage,
  type Pool,
  type Publisher,
} from '@seckill/runtime';
import { test } from 'tap';
import { createOutboxStore } from '../../src/relay/outbox.ts';
import { Relay } from '../../src/relay/relay.ts';
import { createDatabase } from '../support/database.ts';
import { readValues } from '../support/kafka.ts';
import { buildEnds, createTestMetrics, until, type TestMetrics } from '../support/build.ts';
import { makeNotice, makeReservation, storeOrders, storeSale } from '../support/reservations.ts';

function buildRelay(
  pool: Pool,
  publisher: Publisher,
  options: { clock?: Clock; batchCountMax?: number; keepSeconds?: number } = {},
) {
  const metrics = createTestMetrics();
  const relay = new Relay({
    store: createOutboxStore(pool),
    publisher,
    clock: options.clock ?? systemClock,
    logger: silent,
    metrics,
    batchCountMax: options.batchCountMax ?? 500,
    keepSeconds: options.keepSeconds ?? 3_600,
  });
  return { relay, metrics };
}

/** A publisher that keeps what it is given, or fails when told to. */
function makePublisher(fail: () => boolean = () => false) {
  const published: OutgoingMessage[] = [];
  const publisher: Publisher = {
    async publish(_topic, _kind, messages) {
      if (fail()) throw new PublishError('Kafka is away');
      published.push(...messages);
    },
  };
  return { publisher, published };
}

async function fill(pool: Pool, count: number): Promise<void> {
  await pool.query(
    `INSERT INTO outbox (topic, key, value, headers)
     SELECT $1, 'key-' || number, 'message-' || number, $2 FROM generate_series(1, $3::int) AS number`,
    [TOPICS.settlements.name, { [HEADERS.type]: 'ReservationSettled', [HEADERS.version]: '1' }, count],
  );
}

async function countUnpublished(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM outbox WHERE published_at IS NULL',
  );
  return rows[0]?.count ?? -1;
}

await test('two replicas publish everything to Kafka, and never the same batch', async (t) => {
  const { pool, url } = await createDatabase(t);
  const kafka = connectKafka('order-test');
  // A topic of the test's own takes the place of seckill.settlements, which other tests read in the same
  // Kafka.
  const topic = await makeTopic(kafka, TOPICS.settlements.partitions);
  const stop = new AbortController();
  const replicas: { running: Promise<void>; own: Pool; metrics: TestMetrics }[] = [];
  t.teardown(async () => {
    stop.abort();
    await Promise.all(replicas.map(({ running }) => running));
    await Promise.all(replicas.map(({ own }) => own.end()));
  });
  for (let replica = 0; replica < 2; replica += 1) {
    const own = createPool(url, silent, { max: 2 });
    const publisher = await connectPublisher(t, kafka);
    const moved: Publisher = { publish: (_topic, ...rest) => publisher.publish(topic, ...rest) };
    const { relay, metrics } = buildRelay(own, moved, { batchCountMax: 100 });
    replicas.push({ running: relay.run(stop.signal), own, metrics });
  }
  const startedAt = performance.now();
  await fill(pool, 2_000);
  await until('an empty outbox', async () => (await countUnpublished(pool)) === 0);
  t.comment(`2,000 messages in ${((performance.now() - startedAt) / 1_000).toFixed(2)} s`);
  const values = await readValues(t, kafka, { topic: topic.name, count: 2_000, matches: () => true });
  t.equal(new Set(values).size, 2_000);
  const counts = async (name: 'relayMessages' | 'relayFailures') =>
    Promise.all(replicas.map(async ({ metrics }) => (await metrics[name].get()).values[0]?.value ?? 0));
  const [messages, failures] = [await counts('relayMessages'), await counts('relayFailures')];
  t.comment(`by replica: ${messages.join(', ')}; failed passes: ${failures.join(', ')}`);
  t.equal((messages[0] ?? 0) + (messages[1] ?? 0), 2_000, 'rows that one works on are left out by the other');
  t.ok(
    messages.every((count) => count > 0),
    'both had work',
  );
});

await test('a published message carries its headers', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 10 });
  const [order] = await storeOrders(pool, saleId, [{}]);
  await buildEnds(pool).payments.accept(makeNotice(order?.reservationId ?? ''));
  const calls: unknown[] = [];
  const publisher: Publisher = {
    async publish(topic, kind, messages) {
      calls.push({ topic, kind, keys: messages.map(({ key }) => key) });
    },
  };
  await buildRelay(pool, publisher).relay.pass();
  t.same(calls, [
    {
      topic: TOPICS.settlements,
      kind: { type: 'ReservationSettled', version: '1' },
      keys: [order?.reservationId],
    },
  ]);
});

await test('a failure to publish marks nothing; after it everything goes out', async (t) => {
  const { pool } = await createDatabase(t);
  await fill(pool, 30);
  let failures = 3;
  const { publisher, published } = makePublisher(() => (failures -= 1) >= 0);
  const { relay, metrics } = buildRelay(pool, publisher, { batchCountMax: 10 });
  await t.rejects(relay.pass(), { code: 'SECKILL_KAFKA_PUBLISH' });
  t.equal(await countUnpublished(pool), 30);
  const stop = new AbortController();
  const running = relay.run(stop.signal);
  await until('an empty outbox', async () => (await countUnpublished(pool)) === 0);
  stop.abort();
  await running;
  t.same(
    published.map(({ value }) => value),
    Array.from({ length: 30 }, (_, index) => `message-${index + 1}`),
    'in order',
  );
  t.equal((await metrics.relayFailures.get()).values[0]?.value, 2);
  t.equal((await metrics.relayMessages.get()).values[0]?.value, 30);
});

await test('a relay killed between Kafka and the mark publishes again', async (t) => {
  const { pool, url } = await createDatabase(t);
  await fill(pool, 5);
  const own = createPool(url, silent, { max: 1 });
  t.teardown(() => own.end());
  const first = makePublisher();
  const killed: Publisher = {
    async publish(...parts) {
      await first.publisher.publish(...parts);
      const { rows } = await pool.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`,
      );
      for (const { pid } of rows) await pool.query('SELECT pg_terminate_backend($1)', [pid]);
    },
  };
  await t.rejects(buildRelay(own, killed).relay.pass());
  t.equal(first.published.length, 5, 'Kafka has them');
  t.equal(await countUnpublished(pool), 5, 'and we do not know it');
  const second = makePublisher();
  t.equal(await buildRelay(own, second.publisher).relay.pass(), 5);
  t.same(second.published, first.published);
  t.equal(await countUnpublished(pool), 0);
});

await test('messages of a transaction that is still open are not lost by those behind them', async (t) => {
  const { pool } = await createDatabase(t);
  const slow = await pool.connect();
  await slow.query('BEGIN');
  await slow.query(`INSERT INTO outbox (topic, key, value, headers) VALUES ($1, 'slow', 'slow', $2)`, [
    TOPICS.settlements.name,
    { [HEADERS.type]: 'ReservationSettled', [HEADERS.version]: '1' },
  ]);
  await fill(pool, 3);
  const { publisher, published } = makePublisher();
  const { relay } = buildRelay(pool, publisher);
  t.equal(await relay.pass(), 3, 'higher ids, committed earlier');
  await slow.query('COMMIT');
  slow.release();
  t.equal(await relay.pass(), 1);
  t.equal(published.at(-1)?.value, 'slow');
});

await test('a wake ends the wait; without one the outbox is asked ever more rarely', async (t) => {
  const { pool } = await createDatabase(t);
  const stop = new AbortController();
  const sleeps: number[] = [];
  const { publisher, published } = makePublisher();
  let wake = () => undefined as unknown;
  const clock: Clock = {
    now: () => 0,
    async sleep(ms, signal) {
      sleeps.push(ms);
      if (sleeps.length < 6) return;
      if (sleeps.length > 6) stop.abort();
      if (sleeps.length > 6) return;
      await fill(pool, 1);
      // The loop waits for ever, unless it is woken.
      await new Promise((resolve) => {
        signal?.addEventListener('abort', resolve, { once: true });
        wake();
      });
    },
  };
  const { relay } = buildRelay(pool, publisher, { clock });
  wake = () => {
    relay.wake();
  };
  await relay.run(stop.signal);
  t.same(sleeps, [20, 40, 80, 160, 200, 200, 200]);
  t.equal(published.length, 1);
});

await test('published messages are removed after a while, waiting ones never; the gauges tell what waits', async (t) => {
  const { pool } = await createDatabase(t);
  await fill(pool, 3_000);
  await pool.query(`UPDATE outbox SET published_at = now() - interval '2 h' WHERE id <= 2500`);
  await pool.query(`UPDATE outbox SET published_at = now() WHERE id BETWEEN 2501 AND 2900`);
  await pool.query(`UPDATE outbox SET created_at = now() - interval '3 h' WHERE id > 2900`);
  const { payments } = buildEnds(pool);
  const saleId = await storeSale(pool, { orange: 1 });
  for (let count = 0; count < 3; count += 1)
    await payments.accept(makeNotice(makeReservation(saleId).reservationId));
  await pool.query(`UPDATE payments SET received_at = now() - interval '2 min'
    WHERE payment_id IN (SELECT payment_id FROM payments LIMIT 2)`);
  await payments.accept(makeNotice('an order of nobody'));
  const { publisher } = makePublisher(() => true);
  const store = createOutboxStore(pool);
  const { oldestSeconds, ...backlog } = await store.readBacklog();
  t.same(backlog, {
    unpublished: 100,
    waitingNotices: 2,
    keptNotices: 0,
    dueRefunds: [{ currency: 'CNY', count: 1, amount: 100 }],
  });
  t.ok(oldestSeconds >= 10_800 && oldestSeconds < 10_900);
  const stop = new AbortController();
  // This pass has nothing to publish, so that it gets as far as tidying up.
  const { relay, metrics } = buildRelay(pool, publisher);
  const blocker = await pool.connect();
  await blocker.query('BEGIN');
  await blocker.query('SELECT FROM outbox WHERE published_at IS NULL FOR UPDATE');
  const running = relay.run(stop.signal);
  await until('the removal', async () => {
    const { rows } = await pool.query<{ count: number }>('SELECT count(*)::int AS count FROM outbox');
    return rows[0]?.count === 500;
  });
  stop.abort();
  await running;
  await blocker.query('ROLLBACK');
  blocker.release();
  t.equal(await countUnpublished(pool), 100);
  t.equal((await metrics.outboxMessages.get()).values[0]?.value, 100);
  t.equal((await metrics.waitingNotices.get()).values[0]?.value, 2);
  t.equal((await metrics.dueRefunds.get()).values[0]?.value, 1);
});

await test('the gauges also tell what waits while Kafka is away', async (t) => {
  const { pool } = await createDatabase(t);
  await fill(pool, 3);
  const stop = new AbortController();
  const away: Publisher = { publish: () => Promise.reject(new Error('away')) };
  const { relay, metrics } = buildRelay(pool, away);
  const running = relay.run(stop.signal);
  const read = async () => (await metrics.outboxMessages.get()).values[0]?.value;
  await until('the gauge', async () => (await read()) === 3);
  stop.abort();
  await running;
  t.equal(await countUnpublished(pool), 3);
});

await test('a message for an unknown topic is our own bug, and ends the role', async (t) => {
  const { pool } = await createDatabase(t);
  await pool.query(`INSERT INTO outbox (topic, key, value, headers) VALUES ('nowhere', 'k', 'v', '{}')`);
  const { relay } = buildRelay(pool, makePublisher().publisher);
  await t.rejects(relay.run(new AbortController().signal), { code: 'SECKILL_INVARIANT' });
  t.equal(await countUnpublished(pool), 1);
});
