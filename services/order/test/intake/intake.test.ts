// Goal: every message of a batch ends exactly once in Postgres, as an order, a refusal or a dead letter (INV-1, 2, 4).
// Method: the real intake on a real Postgres, fed batch by batch as Kafka's client would; Kafka itself is in
// intake-consumer.test.ts, faults of Postgres in intake-faults.test.ts.
import type { DeadLetter, ReservationCreated } from '@seckill/contracts';
import { PublishError, type OutgoingMessage } from '@seckill/runtime';
import { test, type Test } from 'tap';
import { createDatabase } from '../support/database.ts';
import { buildEnds, buildIntake, countOf, makeAssignment, makeContext, until } from '../support/build.ts';
import {
  findLedgerMismatches,
  HEADERS_V1,
  makeReservation,
  raiseEpoch,
  readOffset,
  readOrders,
  readSold,
  readVerdicts,
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
  const { rows } = await pool.query(
    `SELECT amount, currency, channel_id, ref, lines, status, user_id, idempotency_key, fingerprint,
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
    lines: values[1]?.lines,
    status: 'pending',
    user_id: values[1]?.userId,
    idempotency_key: values[1]?.idempotencyKey,
    fingerprint: values[1]?.fingerprint,
  });
  t.equal(Number(first?.['reserved']), values[1]?.reservedAt, 'to the millisecond');
  t.equal(Number(first?.['expires']), values[1]?.expiresAt);
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
    await pool.query('TRUNCATE orders, intake_offsets');
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
      // An answer that misses a partition: it may or may not have been written, so it is published again.
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

await test('data that Postgres refuses is bisected down to the one message', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 1_000 });
  const refused: [string, ReservationCreated][] = [
    ['an unknown sale', makeReservation('no-such-sale')],
    ['an unknown SKU', makeReservation(saleId, { lines: [{ sku: 'durian', quantity: 1, price: 1 }] })],
    ['NUL in ref', makeReservation(saleId, { ref: 'a\u0000b' })],
  ];
  for (const [name, bad] of refused) {
    await pool.query('TRUNCATE orders, intake_offsets');
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

await test('what the ledger has no units for is refused by sequence, whole orders only, with an alarm', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 5 });
  const { intake, metrics } = buildIntake(pool);
  const { context } = makeContext();
  const order = (sequence: number, quantity: number) =>
    makeReservation(saleId, { sequence, lines: [{ sku: 'orange', quantity, price: 1 }] });
  // Units 2, 2, 2 (does not fit), 1 (fits): sent in another order than they were reserved.
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

  const [a, b] = [makeReservation(saleId), makeReservation(saleId)];
  await intake.handleBatch(
    toBatch([a, { ...b, userId: a.userId, idempotencyKey: a.idempotencyKey }], { offset: 4 }),
    context,
  );
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

const CAPPED = { id: 'xhs', kind: 'content', title: '小红书', cap: 3 } as const;

/** Of its buyer's or channel's units; late, unless it names epoch 2. */
const order = (saleId: string, quantity: number, changes: Partial<ReservationCreated> = {}) =>
  makeReservation(saleId, { lines: [{ sku: 'orange', quantity, price: 1 }], ...changes });

/** A sale with a limit of 3 and a cap of 3, and an intake that takes one batch after the other. */
async function createLimited(t: Test, epoch = 2) {
  const { pool } = await createDatabase(t);
  const limits = { limitPerBuyer: 3, channels: [CAPPED] };
  const saleId = await storeSale(pool, { orange: 100, mango: 100 }, limits);
  const { intake, metrics } = buildIntake(pool);
  let offset = 0;
  const take = async (...values: ReservationCreated[]) => {
    await intake.handleBatch(toBatch(values, { offset }), makeContext().context);
    offset += values.length;
    const orders = new Map((await readOrders(pool)).map((one) => [one.id, one]));
    return values.map(({ reservationId }) => {
      const { status, refusal } = orders.get(reservationId) ?? { status: 'missing', refusal: null };
      return refusal ?? status;
    });
  };
  await raiseEpoch(pool, saleId, epoch);
  return { pool, saleId, metrics, take };
}

await test('a late order beyond the limit of its buyer is refused, one within it is stored (INV-6)', async (t) => {
  const { pool, saleId, metrics, take } = await createLimited(t);
  t.same(await take(order(saleId, 2, { epoch: 2, userId: 'a' })), ['pending'], 'reserved anew');
  const beyond = order(saleId, 2, { userId: 'a' });
  t.same(await take(beyond, order(saleId, 1, { userId: 'a' }), order(saleId, 3, { userId: 'b' })), [
    'limit',
    'pending',
    'pending',
  ]);
  t.equal(await readSold(pool, saleId), 6);
  t.same(await findLedgerMismatches(pool), []);
  t.equal(await countOf(metrics.intakeAlarms, 'limit'), 1);
  t.same((await readVerdicts(pool)).get(beyond.reservationId), ['refused']);
  t.equal(await countOf(metrics.distrustedEpochs, 'late_row'), 1);
  t.same(await take(beyond), ['limit']);
  t.equal(await countOf(metrics.intakeAlarms, 'limit'), 1, 'a repeat of the refused one is a duplicate');
});

await test('a late order beyond the cap of its channel is refused, one within it is stored (INV-6)', async (t) => {
  const { pool, saleId, take } = await createLimited(t);
  t.same(await take(order(saleId, 2, { epoch: 2, channelId: 'xhs' })), ['pending']);
  const [beyond, within, elsewhere] = [
    order(saleId, 2, { channelId: 'xhs' }),
    order(saleId, 1, { channelId: 'xhs' }),
    order(saleId, 3),
  ];
  t.same(await take(beyond, within, elsewhere), ['limit', 'pending', 'pending']);
  t.equal(await readSold(pool, saleId), 6);
});

await test('late orders of one batch count one after another, by sequence, in all their lines', async (t) => {
  const { pool, saleId, take } = await createLimited(t);
  const lines = ['orange', 'mango'].map((sku) => ({ sku, quantity: 1, price: 1 }));
  const [first, second, third] = [
    order(saleId, 0, { userId: 'a', lines }),
    order(saleId, 2, { userId: 'a' }),
    order(saleId, 1, { userId: 'a' }),
  ];
  t.same(await take(third, second, first), ['pending', 'limit', 'pending']);
  t.equal(await readSold(pool, saleId), 2);
  await pool.query(`UPDATE ledger SET sold = total WHERE sku = 'mango'`);
  const short = order(saleId, 0, { userId: 'b', lines: [{ sku: 'mango', quantity: 3, price: 1 }] });
  t.same(
    await take(short, order(saleId, 3, { userId: 'b' })),
    ['ledger', 'pending'],
    'what the ledger refused uses up nothing',
  );
});

await test('paid units count against a late order, cancelled ones do not', async (t) => {
  const { pool, saleId, take } = await createLimited(t);
  const { orders } = buildEnds(pool);
  for (const [userId, end, expected] of [
    ['payer', (id: string) => orders.paySandbox(id, 'payer'), 'limit'],
    ['leaver', (id: string) => orders.cancel(id, 'leaver'), 'pending'],
  ] as const) {
    const known = order(saleId, 3, { epoch: 2, userId });
    await take(known);
    await end(known.reservationId);
    t.same(await take(order(saleId, 1, { userId })), [expected], userId);
  }
});

await test('an order that is not late is not judged again: Redis has', async (t) => {
  const { saleId, take } = await createLimited(t);
  const of = (quantity: number) => order(saleId, quantity, { epoch: 2, userId: 'a', channelId: 'xhs' });
  t.same(await take(of(2), of(2)), ['pending', 'pending']);
  t.same(await take(of(2)), ['pending']);
});

await test('what is sold under an epoch that lacks a late order is judged too, up to the next snapshot (INV-6)', async (t) => {
  const { pool, saleId, take } = await createLimited(t);
  t.same(await take(order(saleId, 2, { userId: 'a' })), ['pending'], 'late, and the first to come');
  const anew = () => order(saleId, 2, { epoch: 2, userId: 'a' });
  t.same(await take(anew()), ['limit'], 'Redis had not counted the late one');
  t.same(await take(order(saleId, 1, { epoch: 2, userId: 'a' })), ['pending']);
  await raiseEpoch(pool, saleId, 3);
  t.same(await take({ ...anew(), epoch: 3 }), ['pending'], 'the snapshot has it: Redis judges again');
});

await test('a late order and a new one that are stored at the same moment see each other (INV-6)', async (t) => {
  const { pool, saleId } = await createLimited(t);
  const takers = [0, 1].map((partition) => ({ partition, ...buildIntake(pool) }));
  for (let round = 0; round < 10; round += 1) {
    const userId = `racer-${round}`;
    const late = order(saleId, 2, { userId });
    // Of another SKU: the two have no row of the ledger in common.
    const lines = [{ sku: 'mango', quantity: 2, price: 1 }];
    const anew = order(saleId, 2, { userId, epoch: 2, lines });
    await Promise.all(
      takers.map(({ intake, partition }) =>
        intake.handleBatch(
          toBatch([partition === 0 ? late : anew], { partition, offset: round }),
          makeContext().context,
        ),
      ),
    );
    // The next round begins as the first.
    await pool.query('UPDATE ledger SET late_epoch = NULL');
  }
  const statuses = (await readOrders(pool)).map(({ status, refusal }) => refusal ?? status);
  t.equal(statuses.filter((status) => status === 'limit').length, 10, 'one of each pair');
  t.equal(statuses.filter((status) => status === 'pending').length, 10);
  t.same(await findLedgerMismatches(pool), []);
});

await test('Kafka starts behind what is stored: it is read again and changes nothing', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  const values = Array.from({ length: 6 }, () => makeReservation(saleId));
  const { context, seen } = makeContext();
  await buildIntake(pool).intake.handleBatch(toBatch(values), context);
  const again = buildIntake(pool);
  await again.intake.handleBatch(toBatch(values.slice(2), { offset: 2 }), context);
  t.same(seen.sought, []);
  t.equal(await countOf(again.metrics.intakeMessages, 'duplicate'), 4);
  t.equal(await readSold(pool, saleId), 6);
  t.equal(await readOffset(pool), 6);
});

await test('Kafka is told at each assignment where the stored rows end', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  const { intake } = buildIntake(pool);
  const first = makeAssignment();
  await intake.onAssigned(first.assignment);
  t.same(first.sought, [0n], 'an empty Postgres reads from the beginning');
  await intake.handleBatch(
    toBatch([makeReservation(saleId), makeReservation(saleId)]),
    makeContext().context,
  );
  const second = makeAssignment();
  await intake.onAssigned(second.assignment);
  t.same(second.sought, [2n]);
  await pool.query('UPDATE intake_offsets SET next_offset = 1');
  const third = makeAssignment();
  await intake.onAssigned(third.assignment);
  t.same(third.sought, [1n], 'Postgres is asked again each time');
});

await test('Kafka starts ahead of what is stored: the intake goes back, as after a restored Postgres (INV-2)', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  const values = Array.from({ length: 6 }, () => makeReservation(saleId));
  const { context, seen } = makeContext();
  await buildIntake(pool).intake.handleBatch(toBatch(values.slice(0, 2)), context);
  const { intake, metrics } = buildIntake(pool);
  await intake.handleBatch(toBatch(values.slice(4), { offset: 4 }), context);
  t.same(seen.sought, [2n]);
  t.equal((await readOrders(pool)).length, 2, 'nothing of the batch was stored');
  t.same(seen.resolved, [1n], 'nor given up');
  await intake.handleBatch(toBatch(values.slice(2), { offset: 2 }), context);
  t.equal((await readOrders(pool)).length, 6);
  t.equal(await countOf(metrics.intakeAlarms, 'gap'), 0);

  await pool.query('TRUNCATE orders, intake_offsets');
  const another = buildIntake(pool).intake;
  await another.handleBatch(toBatch([makeReservation(saleId)], { offset: 6 }), context);
  t.same(seen.sought, [2n, 0n], 'an empty Postgres goes back to the beginning');
});

await test('what Kafka no longer has is asked for three times, alarmed once, and the partition goes on', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  const { intake, metrics } = buildIntake(pool);
  const { context, seen } = makeContext();
  const value = makeReservation(saleId);
  for (let round = 0; round < 3; round += 1)
    await intake.handleBatch(toBatch([value], { offset: 9 }), context);
  t.equal((await readOrders(pool)).length, 0);
  await intake.handleBatch(toBatch([value], { offset: 9 }), context);
  t.same(seen.sought, [0n, 0n, 0n]);
  t.equal(await countOf(metrics.intakeAlarms, 'gap'), 1);
  t.equal((await readOrders(pool)).length, 1);
  await intake.handleBatch(toBatch([makeReservation(saleId)], { offset: 10 }), context);
  t.equal(await countOf(metrics.intakeAlarms, 'gap'), 1);
  t.equal(await readOffset(pool), 11);
});

await test('a topic that was made anew is read from its beginning', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  await pool.query(`INSERT INTO intake_offsets VALUES ($1, 0, 1000)`, [toBatch([]).topic]);
  const { intake } = buildIntake(pool);
  const { context, seen } = makeContext();
  await intake.handleBatch(toBatch([makeReservation(saleId), makeReservation(saleId)]), context);
  t.same(seen.sought, []);
  t.equal((await readOrders(pool)).length, 2);
  t.equal(await readOffset(pool), 2, 'the stored offset follows');
});

await test('Kafka begins below what is stored, or has shed what is not: the stored offset follows at once', async (t) => {
  const { pool } = await createDatabase(t);
  await pool.query(`INSERT INTO intake_offsets VALUES ($1, 0, 100)`, [toBatch([]).topic]);
  const { intake, metrics } = buildIntake(pool);
  const same = makeAssignment({ low: 0n, high: 100n, committed: 100n });
  await intake.onAssigned(same.assignment);
  t.same(same.sought, [100n], 'nothing is new');
  const anew = makeAssignment({ low: 0n, high: 99n });
  await intake.onAssigned(anew.assignment);
  t.same(anew.sought, [0n]);
  t.equal(
    await readOffset(pool),
    0,
    'a gate that waits for the end of the new topic does not open too early',
  );
  t.equal(await countOf(metrics.intakeAlarms, 'anew'), 1);
  const shed = makeAssignment({ low: 7n, high: 7n });
  await intake.onAssigned(shed.assignment);
  t.same(shed.sought, [7n]);
  t.equal(await readOffset(pool), 7, 'nor does it wait for ever for a message that no longer exists');
  t.equal(await countOf(metrics.intakeAlarms, 'gap'), 1);
});

await test('a Postgres restored under a running intake takes nothing before what it has forgotten (INV-2)', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  const values = Array.from({ length: 6 }, () => makeReservation(saleId));
  const { intake, metrics } = buildIntake(pool);
  const offsets: { committed?: bigint } = {};
  const { assignment, sought } = makeAssignment(offsets);
  await intake.onAssigned(assignment);
  await intake.handleBatch(toBatch(values.slice(0, 4)), makeContext().context);
  offsets.committed = 4n;
  const forgotten = values.slice(2, 4).map(({ reservationId }) => reservationId);
  await pool.query('DELETE FROM orders WHERE id = ANY ($1::text[])', [forgotten]);
  await pool.query('UPDATE ledger SET sold = 2');
  await pool.query('UPDATE intake_offsets SET next_offset = 2');

  const { context, seen } = makeContext();
  await intake.handleBatch(toBatch(values.slice(4), { offset: 4 }), context);
  t.same(seen.resolved, [], 'what comes later waits');
  t.same(sought, [0n, 2n], 'Kafka is told where to go back to, for every partition');
  t.equal(await countOf(metrics.distrustedEpochs, 'restored'), 1, 'and every sale is in doubt');
  await intake.handleBatch(toBatch(values.slice(2), { offset: 2 }), makeContext().context);
  t.equal((await readOrders(pool)).length, 6);
  t.equal(await readSold(pool, saleId), 6);
});

await test('a batch that was fetched before its assignment is placed is void, and moves no offset back', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  const { intake, metrics } = buildIntake(pool);
  const { assignment, sought } = makeAssignment({ committed: 3n });
  const { readOffsets } = assignment;
  let isAnswered = false;
  assignment.readOffsets = async () => {
    await until('the answer', () => isAnswered);
    return readOffsets();
  };
  const placing = intake.onAssigned(assignment);
  const { context, seen } = makeContext();
  // Where Kafka's group stands; Postgres was restored to the very beginning.
  const handling = intake.handleBatch(toBatch([makeReservation(saleId)], { offset: 3 }), context);
  await until('heartbeats', () => seen.heartbeats > 2);
  t.same(seen.sought, [], 'it has not overwritten what Kafka knew');
  isAnswered = true;
  await Promise.all([placing, handling]);
  t.same([sought, seen.sought, seen.resolved], [[0n], [], []]);
  t.equal(await countOf(metrics.distrustedEpochs, 'restored'), 1);

  // And the other way round: Kafka has forgotten its group, so the batch is from long before what is stored.
  const values = Array.from({ length: 5 }, () => makeReservation(saleId));
  await intake.handleBatch(toBatch(values), makeContext().context);
  t.equal(await readOffset(pool), 5);
  const later = makeAssignment({});
  let isLaterAnswered = false;
  const readLater = later.assignment.readOffsets;
  later.assignment.readOffsets = async () => {
    await until('the answer', () => isLaterAnswered);
    return readLater();
  };
  const again = makeContext();
  const both = [
    intake.onAssigned(later.assignment),
    intake.handleBatch(toBatch(values.slice(0, 2)), again.context),
  ];
  await until('heartbeats', () => again.seen.heartbeats > 2);
  isLaterAnswered = true;
  await Promise.all(both);
  t.equal(await readOffset(pool), 5);
  t.same(again.seen.resolved, []);
  t.equal((await readOrders(pool)).length, 5);
});
