// Goal: every message of a batch ends exactly once in Postgres, as an order, a refusal or a dead letter
// (INV-1, 2, 4).
// Method: the real intake on a real Postgres, fed batch by batch as Kafka's client would; Kafka itself is in
// intake-consumer.test.ts, faults of Postgres in intake-faults.test.ts.
import type { DeadLetter, ReservationCreated } from '@seckill/contracts';
import { countOf } from '@seckill/testing';
import { PublishError, type OutgoingMessage } from '@seckill/runtime';
import { test } from 'tap';
import { createDatabase } from '../support/database.ts';
import { buildIntake, makeContext } from '../support/build.ts';
import {
  findLedgerMismatches,
  HEADERS_V1,
  makeReservation,
  readOffset,
  readOrders,
  readSold,
  storeSale,
  toBatch,
  toMessage,
} from '../support/reservations.ts';

const readLetter = (message: OutgoingMessage | undefined) =>
  JSON.parse(message?.value ?? '{}') as Partial<DeadLetter>;

await test('a batch becomes orders, a moved ledger and a stored offset', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100, mango: 100 });
  const { intake, metrics } = buildIntake(pool, { batchCountMax: 2 });
  const { context, seen } = makeContext();
  const values = [1, 2, 3, 4, 5].map((quantity) =>
    makeReservation(saleId, {
      lines: [
        { sku: 'orange', quantity, price: 2_990 },
        { sku: 'mango', quantity: 1, price: 10 },
      ],
      channelId: 'xhs',
      ref: 'note "8812", {a\\b} 橙',
      reservedAt: Date.now() - 1_000,
      metadata: { zebra: '"\\\n橙', apple: [1.5, null] },
      contact: 'sealed.by.a-key',
    }),
  );
  await intake.handleBatch(toBatch(values), context);

  t.same(
    (await readOrders(pool)).map(({ id }) => id),
    values.map(({ reservationId }) => reservationId),
  );
  t.equal(await readSold(pool, saleId), 15);
  t.equal(await readSold(pool, saleId, 'mango'), 5);
  t.equal(await readOffset(pool), 5);
  t.same(seen.resolved, [1n, 3n, 4n], 'in three transactions');
  t.ok(seen.heartbeats >= 3, 'with a heartbeat after each');
  t.equal(await countOf(metrics.intakeMessages, 'stored'), 5);
  const { values: seconds } = await metrics.storedSeconds.get();
  const stored = (end: string) => seconds.find(({ metricName }) => metricName?.endsWith(end))?.value;
  t.equal(stored('_count'), 5, 'each order tells how long its row took');
  const sum = stored('_sum') ?? 0;
  t.ok(sum >= 5 && sum < 60, `${sum} s`);
  const { rows } = await pool.query(
    `SELECT amount, currency, channel_id, ref, metadata::text, contact, lines, status, user_id, idempotency_key, fingerprint,
       extract(epoch FROM reserved_at) * 1000 AS reserved, extract(epoch FROM expires_at) * 1000 AS expires
     FROM orders WHERE id = $1`,
    [values[1]?.reservationId],
  );
  const [first] = rows as Record<string, unknown>[];
  t.match(first, {
    amount: '5990',
    currency: 'CNY',
    channel_id: 'xhs',
    ref: values[1]?.ref,
    metadata: JSON.stringify(values[1]?.metadata),
    contact: 'sealed.by.a-key',
    lines: values[1]?.lines,
    status: 'pending',
    user_id: values[1]?.userId,
    idempotency_key: values[1]?.idempotencyKey,
    fingerprint: values[1]?.fingerprint,
  });
  t.equal(Number(first?.['reserved']), values[1]?.reservedAt, 'to the millisecond');
  t.equal(Number(first?.['expires']), values[1]?.expiresAt);
});

await test('the lag is what Kafka has and Postgres does not, over all partitions', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  const { intake, metrics } = buildIntake(pool);
  const { context } = makeContext();
  const lag = async () => (await metrics.intakeLagMessages.get()).values[0]?.value;
  await intake.handleBatch({ ...toBatch([makeReservation(saleId)]), end: 7n }, context);
  t.equal(await lag(), 6);
  await intake.handleBatch({ ...toBatch([makeReservation(saleId)], { partition: 1 }), end: 3n }, context);
  t.equal(await lag(), 8);
  await intake.handleBatch({ ...toBatch([makeReservation(saleId)], { offset: 1 }), end: 2n }, context);
  t.equal(await lag(), 2);
});

await test('duplicates within a batch, across batches and across partitions count once', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  const { intake, metrics } = buildIntake(pool);
  const { context } = makeContext();
  const [a, b, c] = [makeReservation(saleId), makeReservation(saleId), makeReservation(saleId)];
  await intake.handleBatch(toBatch([a, b, a]), context);
  await intake.handleBatch(toBatch([a, b, c], { offset: 3 }), context);
  await intake.handleBatch(toBatch([c, b], { partition: 1 }), context);
  t.equal((await readOrders(pool)).length, 3);
  t.equal(await readSold(pool, saleId), 3);
  t.equal(await countOf(metrics.intakeMessages, 'stored'), 3);
  t.equal(await countOf(metrics.intakeMessages, 'duplicate'), 5);
  t.equal(await countOf(metrics.intakeMessages, 'refused'), 0);
});

await test('a message that cannot be understood goes to dead letters, as it was, and its neighbours are stored', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  const other = await storeSale(pool, { orange: 100 });
  const good = () => makeReservation(saleId);
  const { userId: _userId, ...withoutUser } = good();
  const poison: [string, unknown, Record<string, string>?][] = [
    ['no JSON', '{"reservationId":'],
    ['empty', ''],
    ['another shape', { hello: 'world' }],
    ['a field missing', withoutUser],
    ['a field too many', { ...good(), price: 1 }],
    ['quantity 0', { ...good(), lines: [{ sku: 'orange', quantity: 0, price: 1 }] }],
    ['another sale in the id', { ...good(), saleId: other }],
    ['another lane in the id', { ...good(), lane: 1 }],
    ['a sequence beyond 2^53', { ...good(), sequence: 1e300 }],
    ['an instant that cannot be shown', { ...good(), expiresAt: Number.MAX_SAFE_INTEGER }],
    ['another type', good(), { ...HEADERS_V1, 'message-type': 'ReservationSettled' }],
    ['another version', good(), { ...HEADERS_V1, 'message-version': '2' }],
    ['no headers', good(), {}],
  ];
  for (const [name, value, headers = HEADERS_V1] of poison) {
    const { intake, letters, metrics } = buildIntake(pool);
    const { context } = makeContext();
    await pool.query('TRUNCATE orders, returns, intake_offsets');
    const [left, right] = [good(), good()];
    const message = { ...toMessage(value, 1), headers };
    const batch = { ...toBatch([]), messages: [toMessage(left, 0), message, toMessage(right, 2)] };
    await intake.handleBatch(batch, context);
    t.same(
      (await readOrders(pool)).map(({ id }) => id),
      [left.reservationId, right.reservationId],
      `${name}: neighbours are stored`,
    );
    t.equal(letters.length, 1, `${name}: one dead letter`);
    const letter = readLetter(letters[0]);
    t.match(letter, { topic: batch.topic, partition: 0, offset: '1', error: /\w/ });
    t.equal(letter.value, message.value?.toString('base64'), `${name}: the value as it was`);
    t.equal(await readOffset(pool), 3, `${name}: the partition moved on`);
    t.equal(await countOf(metrics.intakeMessages, 'dead_letter'), 1);
  }
});

await test('the offset passes a dead letter only after Kafka confirmed it', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  const offsets: (number | undefined)[] = [];
  const { intake, letters, metrics } = buildIntake(pool, {
    batchCountMax: 1,
    onPublish: async () => {
      offsets.push(await readOffset(pool));
      // The answer misses a partition. The letter may or may not have been written, so it is published again.
      if (offsets.length < 3) throw new PublishError('no confirmation for partition 0');
    },
  });
  const { context, seen } = makeContext();
  await intake.handleBatch(toBatch([makeReservation(saleId), 'poison', makeReservation(saleId)]), context);
  t.same(offsets, [1, 1, 1], 'it stood before the message at each attempt');
  t.equal(letters.length, 1);
  t.equal(await countOf(metrics.intakeRetries, 'kafka'), 2);
  t.ok(seen.heartbeats >= 2, 'the place in the group was kept meanwhile');
  t.equal(await readOffset(pool), 3);
  t.equal((await readOrders(pool)).length, 2);
});

await test('an id that ends with another buyer and key becomes a dead letter: no snapshot could be loaded', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 10 });
  const { intake, letters } = buildIntake(pool);
  const good = makeReservation(saleId);
  const strangers = ['userId', 'idempotencyKey'].map((name) => ({
    ...makeReservation(saleId),
    [name]: 'another',
  }));
  await intake.handleBatch(toBatch([...strangers, good]), makeContext().context);
  t.match(await readOrders(pool), [{ id: good.reservationId }]);
  t.equal(letters.length, 2);
  for (const letter of letters) t.match(readLetter(letter).error, /another buyer and key/);
});

await test('data that Postgres refuses is bisected down to the one message', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 1_000 });
  const refused: [string, ReservationCreated][] = [
    ['an unknown sale', makeReservation('no-such-sale')],
    ['an unknown SKU', makeReservation(saleId, { lines: [{ sku: 'durian', quantity: 1, price: 1 }] })],
    ['NUL in ref', makeReservation(saleId, { ref: 'a\u0000b' })],
  ];
  for (const [name, bad] of refused) {
    await pool.query('TRUNCATE orders, returns, intake_offsets');
    await pool.query('UPDATE ledger SET sold = 0');
    const { intake, letters } = buildIntake(pool);
    const { context, seen } = makeContext();
    const values = Array.from({ length: 40 }, () => makeReservation(saleId));
    values.splice(17, 0, bad);
    await intake.handleBatch(toBatch(values), context);
    t.equal((await readOrders(pool)).length, 40, `${name}: all neighbours are stored`);
    t.equal(await readSold(pool, saleId), 40);
    t.same(
      letters.map((letter) => readLetter(letter).offset),
      ['17'],
      `${name}: alone in dead letters`,
    );
    t.equal(await readOffset(pool), 41);
    t.same(seen.resolved, [40n]);
  }
});

await test('a batch of nothing but refused data ends, every message in dead letters', async (t) => {
  const { pool } = await createDatabase(t);
  const { intake, letters } = buildIntake(pool);
  const { context } = makeContext();
  await intake.handleBatch(toBatch(Array.from({ length: 9 }, () => makeReservation('nowhere'))), context);
  t.equal(letters.length, 9);
  t.equal(await readOffset(pool), 9);
});

await test("orders beyond the ledger's units are refused by sequence, whole orders only, with an alarm", async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 5 });
  const { intake, metrics } = buildIntake(pool);
  const { context } = makeContext();
  const order = (sequence: number, quantity: number) =>
    makeReservation(saleId, { sequence, lines: [{ sku: 'orange', quantity, price: 1 }] });
  // The orders have 2, 2, 2 (does not fit) and 1 (fits) units. The test sends them in another order than they
  // were reserved.
  await intake.handleBatch(toBatch([order(4, 1), order(3, 2), order(1, 2), order(2, 2)]), context);
  t.same(
    (await readOrders(pool)).map(({ status, refusal, isEnded }) => [status, refusal, isEnded]),
    [
      ['pending', null, false],
      ['pending', null, false],
      ['refused', 'ledger', true],
      ['pending', null, false],
    ],
  );
  t.equal(await readSold(pool, saleId), 5);
  t.equal(await countOf(metrics.intakeAlarms, 'ledger'), 1);
  await intake.handleBatch(toBatch([order(5, 1)], { offset: 4 }), context);
  t.equal((await readOrders(pool)).at(-1)?.status, 'refused', 'nothing is left for the next batch');
  t.equal(await readSold(pool, saleId), 5);
  t.same(await findLedgerMismatches(pool), []);
});

await test('another id for a known key is kept as refused, with an alarm, and takes no unit (INV-4)', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  const { intake, metrics } = buildIntake(pool);
  const { context } = makeContext();
  const first = makeReservation(saleId);
  const { userId, idempotencyKey } = first;
  const clash = () => makeReservation(saleId, { userId, idempotencyKey });
  const neighbour = makeReservation(saleId);
  await intake.handleBatch(toBatch([first]), context);
  const later = clash();
  await intake.handleBatch(toBatch([later, neighbour], { offset: 1 }), context);
  const orders = await readOrders(pool);
  t.match(
    orders.find(({ id }) => id === later.reservationId),
    {
      status: 'refused',
      refusal: 'key_clash',
      isEnded: true,
    },
  );
  t.equal(orders.find(({ id }) => id === first.reservationId)?.status, 'pending');
  t.equal(orders.find(({ id }) => id === neighbour.reservationId)?.status, 'pending');
  t.equal(await readSold(pool, saleId), 2);
  t.equal(await countOf(metrics.intakeAlarms, 'key_clash'), 1);

  await intake.handleBatch(toBatch([later], { offset: 3 }), context);
  t.equal(await countOf(metrics.intakeAlarms, 'key_clash'), 1, 'a repeat of the refused one is a duplicate');

  const a = makeReservation(saleId);
  const b = makeReservation(saleId, { userId: a.userId, idempotencyKey: a.idempotencyKey });
  await intake.handleBatch(toBatch([a, b], { offset: 4 }), context);
  t.equal(await countOf(metrics.intakeAlarms, 'key_clash'), 2, 'also within one batch');
  t.equal(await readSold(pool, saleId), 3);

  const elsewhere = await storeSale(pool, { orange: 1 });
  await intake.handleBatch(
    toBatch([makeReservation(elsewhere, { userId, idempotencyKey })], { offset: 6 }),
    context,
  );
  t.equal(await readSold(pool, elsewhere), 1, 'the same key in another sale is another key');
  t.same(await findLedgerMismatches(pool), []);
});

await test('another reservation at a known sequence is a fork: kept as refused, with an alarm', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  const { intake, metrics } = buildIntake(pool);
  const { context } = makeContext();
  const first = makeReservation(saleId);
  const fork = makeReservation(saleId, { sequence: first.sequence });
  const nextEpoch = makeReservation(saleId, { sequence: first.sequence, epoch: 2 });
  await intake.handleBatch(toBatch([first]), context);
  await intake.handleBatch(toBatch([fork, nextEpoch], { offset: 1 }), context);
  const orders = await readOrders(pool);
  t.match(
    orders.find(({ id }) => id === fork.reservationId),
    { status: 'refused', refusal: 'sequence_fork' },
  );
  t.equal(
    orders.find(({ id }) => id === nextEpoch.reservationId)?.status,
    'pending',
    'a new epoch is no fork',
  );
  t.equal(await countOf(metrics.intakeAlarms, 'sequence_fork'), 1);
  t.equal(await readSold(pool, saleId), 2);
});
