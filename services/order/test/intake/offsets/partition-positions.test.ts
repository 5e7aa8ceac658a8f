// Goal: each partition is read on from where the rows in Postgres end, whatever Kafka, its group or a
// restored Postgres believes; nothing is left out unnoticed (INV-2).
// Method: the real intake on a real Postgres; assignments and batches as Kafka's client would give them.
import { countOf } from '@seckill/testing';
import { test } from 'tap';
import { createDatabase } from '../../support/database.ts';
import { buildIntake, makeAssignment, makeContext, until } from '../../support/build.ts';
import {
  makeReservation,
  readOffset,
  readOrders,
  readSold,
  storeSale,
  toBatch,
} from '../../support/reservations.ts';

await test('a Kafka that starts behind what is stored is read again, which changes nothing', async (t) => {
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
  await pool.query(`INSERT INTO intake_offsets (topic, partition, next_offset) VALUES ('another', 0, 99)`);
  const first = makeAssignment();
  await intake.onAssigned(first.assignment);
  t.same(first.sought, [0n], 'nothing of this topic is stored: it is read from the beginning');
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

  await pool.query('TRUNCATE orders, returns, intake_offsets');
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
  t.equal(await countOf(metrics.distrustedEpochs, 'restored'), 1, 'and every sale is distrusted');
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
  // Kafka's group stands here, and Postgres was restored to the very beginning.
  const handling = intake.handleBatch(toBatch([makeReservation(saleId)], { offset: 3 }), context);
  await until('heartbeats', () => seen.heartbeats > 2);
  t.same(seen.sought, [], 'it has not overwritten what Kafka knew');
  isAnswered = true;
  await Promise.all([placing, handling]);
  t.same([sought, seen.sought, seen.resolved], [[0n], [], []]);
  t.equal(await countOf(metrics.distrustedEpochs, 'restored'), 1);

  // The other way round, Kafka has forgotten its group, so the batch is from long before what is stored.
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
