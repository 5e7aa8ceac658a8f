// Goal: whatever makes an epoch distrusted is found by order alone, once, and reaches stock until a later
// epoch is open.
// Method: the real intake and `http` role over a real Postgres; support/stock.ts stands in for stock.
import type { Pool } from '@seckill/runtime';
import { countOf } from '@seckill/testing';
import { test } from 'tap';
import { createDatabase } from '../support/database.ts';
import { buildIntake, makeAssignment, makeContext, until } from '../support/build.ts';
import { makeReservation, raiseEpoch, readOrders, storeSale, toBatch } from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

async function readDistrusted(pool: Pool, saleId: string): Promise<[number, string][]> {
  const { rows } = await pool.query<{ epoch: number; reason: string }>(
    'SELECT epoch::int, reason FROM doubts WHERE sale_id = $1 ORDER BY epoch',
    [saleId],
  );
  return rows.map(({ epoch, reason }) => [epoch, reason]);
}

await test('any refused order makes the epoch of its sale distrusted and no other; a duplicate does not', async (t) => {
  const { pool } = await createDatabase(t);
  const { intake, metrics } = buildIntake(pool);
  const { context } = makeContext();
  const [short, clash, fork, calm] = await Promise.all(
    [1, 2, 3, 4].map(() => storeSale(pool, { orange: 2 })),
  );
  if (short === undefined || clash === undefined || fork === undefined || calm === undefined) return;
  const first = makeReservation(clash);
  const second = makeReservation(fork);
  const third = makeReservation(calm);
  await intake.handleBatch(toBatch([first, second, third]), context);
  await intake.handleBatch(toBatch([first, second, third], { offset: 3 }), context);
  t.equal(await countOf(metrics.distrustedEpochs, 'refused'), 0);
  const values = [
    makeReservation(short, { lines: [{ sku: 'orange', quantity: 3, price: 1 }] }),
    makeReservation(clash, { userId: first.userId, idempotencyKey: first.idempotencyKey }),
    makeReservation(fork, { sequence: second.sequence }),
    makeReservation(calm),
  ];
  await intake.handleBatch(toBatch(values, { offset: 6 }), context);
  await intake.handleBatch(toBatch(values, { offset: 10 }), context);
  for (const saleId of [short, clash, fork]) t.same(await readDistrusted(pool, saleId), [[1, 'refused']]);
  t.same(await readDistrusted(pool, calm), []);
  t.equal(await countOf(metrics.distrustedEpochs, 'refused'), 3, 'each once');
});

await test('an order of an older epoch makes the newest distrusted; one that is known does not', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 10 });
  const { intake, metrics } = buildIntake(pool);
  const { context } = makeContext();
  const [known, late] = [makeReservation(saleId), makeReservation(saleId)];
  await intake.handleBatch(toBatch([known]), context);
  await raiseEpoch(pool, saleId, 3);
  await intake.handleBatch(toBatch([known, makeReservation(saleId, { epoch: 3 })], { offset: 1 }), context);
  t.same(await readDistrusted(pool, saleId), []);
  await intake.handleBatch(toBatch([late], { offset: 3 }), context);
  t.same(await readDistrusted(pool, saleId), [[3, 'late_row']]);
  t.equal(await countOf(metrics.distrustedEpochs, 'late_row'), 1);
  t.equal(
    (await readOrders(pool)).filter(({ status }) => status === 'pending').length,
    3,
    'and it is stored',
  );
});

await test('an order of an epoch that Postgres never raised lifts the sale to it', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 10, mango: 10 });
  const { intake, metrics } = buildIntake(pool);
  const values = [makeReservation(saleId, { epoch: 4 }), makeReservation(saleId, { epoch: 5 })];
  await intake.handleBatch(toBatch(values), makeContext().context);
  const { rows } = await pool.query(
    `SELECT epoch::int, opened_epoch::int AS opened, (SELECT array_agg(epoch::int) FROM ledger) AS ledger FROM sales`,
  );
  t.same(rows, [{ epoch: 5, opened: 5, ledger: [5, 5] }]);
  t.same(await readDistrusted(pool, saleId), [[5, 'restored']]);
  t.equal(await countOf(metrics.distrustedEpochs, 'restored'), 1);
  const { letters } = buildIntake(pool);
  const wild = makeReservation(saleId, { epoch: Number.MAX_SAFE_INTEGER });
  await intake.handleBatch(toBatch([wild], { offset: 2 }), makeContext().context);
  t.same(letters, []);
  t.same(await readDistrusted(pool, saleId), [[5, 'restored']], 'a wild number uses no epochs up');
});

await test('Kafka remembers more than Postgres has: every sale that is not retired is distrusted, once', async (t) => {
  const { pool } = await createDatabase(t);
  const [one, other, retired, fresh] = await Promise.all(
    [1, 2, 3, 4].map(() => storeSale(pool, { orange: 1 })),
  );
  await pool.query('UPDATE sales SET retired_at = now() WHERE id = $1', [retired]);
  await pool.query('UPDATE sales SET epoch = 0, opened_epoch = NULL WHERE id = $1', [fresh]);
  await pool.query(`INSERT INTO intake_offsets VALUES ($1, 0, 40)`, [toBatch([]).topic]);
  const { intake, metrics } = buildIntake(pool);
  await intake.onAssigned(makeAssignment({ committed: 40n }).assignment);
  t.equal(await countOf(metrics.distrustedEpochs, 'restored'), 0);
  const restored = makeAssignment({ committed: 41n });
  await intake.onAssigned(restored.assignment);
  t.same(restored.sought, [40n]);
  await intake.onAssigned(makeAssignment({ committed: 41n }).assignment);
  t.equal(await countOf(metrics.distrustedEpochs, 'restored'), 2, 'once');
  for (const saleId of [one, other]) t.same(await readDistrusted(pool, saleId ?? ''), [[1, 'restored']]);
  for (const saleId of [retired, fresh]) t.same(await readDistrusted(pool, saleId ?? ''), []);
});

await test('control sync repeats a distrusted epoch, without a new version, until a later one is open', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { url, metrics } = await createService(t, pool, stock.url);
  const saleId = await storeSale(pool, { orange: 1 });
  await until('the first control state', async () => (await readAcknowledged(pool)) === 1);
  await pool.query(`INSERT INTO doubts VALUES ($1, 1, 'late_row')`, [saleId]);
  await until('the distrusted epoch', () => stock.seen.some(({ distrustedEpoch }) => distrustedEpoch === 1));
  // Stock acknowledges, but has not loaded: an acknowledgement alone does not end it, nor does it come in a
  // flood.
  const tries = stock.seen.length;
  await until('three more tries', () => stock.seen.length >= tries + 3);
  t.ok((await countOf(metrics.controlSyncCalls, 'failed')) >= 3, 'each with a longer pause');
  t.same(new Set(stock.seen.map(({ version }) => version)), new Set([1]));
  stock.epochs.set(saleId, 1);
  stock.orderUrl = url;
  await until('a later epoch', () => stock.epochs.get(saleId) === 2);
  await until('it is over', async () => (await readOpened(pool)) === 2);
  const { rows } = await pool.query(
    'SELECT FROM doubts JOIN sales ON id = sale_id WHERE doubts.epoch >= opened_epoch',
  );
  t.equal(rows.length, 0);
});

await test('a stock that stands at a later epoch than Postgres knows is loaded anew, above it', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { url } = await createService(t, pool, stock.url);
  stock.orderUrl = url;
  const saleId = 'restored-sale';
  stock.epochs.set(saleId, 6);
  const from = await storeSale(pool, { orange: 1 });
  await pool.query(
    `INSERT INTO sales (id, definition, fingerprint, lanes, epoch, opened_epoch, opens_at, closes_at)
     SELECT $1, jsonb_set(definition, '{id}', to_jsonb($1::text)), 'x', 1, 3, 3, opens_at, closes_at
     FROM sales WHERE id = $2`,
    [saleId, from],
  );
  await until('an epoch above', () => stock.epochs.get(saleId) === 7);
  t.same(await readDistrusted(pool, saleId), [[6, 'restored']]);
});

async function readAcknowledged(pool: Pool): Promise<number | undefined> {
  const { rows } = await pool.query<{ version: number }>(
    'SELECT acknowledged_version::int AS version FROM sales',
  );
  return rows[0]?.version;
}

async function readOpened(pool: Pool): Promise<number | undefined> {
  const { rows } = await pool.query<{ epoch: number }>('SELECT opened_epoch::int AS epoch FROM sales');
  return rows[0]?.epoch;
}
