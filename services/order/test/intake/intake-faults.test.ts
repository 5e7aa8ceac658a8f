// Goal: whatever happens to Postgres or to us in the middle of a batch, nothing is lost and nothing counts
// twice.
// Method: a real Postgres whose connections are killed, locked and cut, at a known point of the transaction.
import { createPool, InvariantError, type Pool } from '@seckill/runtime';
import pg from 'pg';
import { test, type Test } from 'tap';
import { createDatabase } from '../support/database.ts';
import { buildIntake, makeContext, until } from '../support/build.ts';
import { countOf, forwardTcp, silent } from '@seckill/testing';
import {
  findLedgerMismatches,
  makeReservation,
  readOffset,
  readOrders,
  readSold,
  storeSale,
  toBatch,
} from '../support/reservations.ts';

/** Holds the ledger's rows, so that a batch stops between its insert and its commit. */
async function lockLedger(t: Test, url: string): Promise<{ release: () => Promise<void> }> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  let isOpen = true;
  const release = async () => {
    if (isOpen) await client.end();
    isOpen = false;
  };
  t.teardown(release);
  await client.query('BEGIN');
  await client.query('SELECT FROM ledger FOR UPDATE');
  return { release };
}

/** Backends of this database that wait for a lock. */
async function findWaiting(pool: Pool): Promise<number[]> {
  const { rows } = await pool.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return rows.map(({ pid }) => pid);
}

async function killWaiting(pool: Pool): Promise<void> {
  await until('a batch that waits for the ledger', async () => (await findWaiting(pool)).length > 0);
  for (const pid of await findWaiting(pool)) await pool.query('SELECT pg_terminate_backend($1)', [pid]);
}

await test('a transaction killed between insert and commit is repeated as a whole', async (t) => {
  const { url, pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  const { intake, metrics } = buildIntake(pool);
  const { context, seen } = makeContext();
  const values = Array.from({ length: 20 }, () => makeReservation(saleId));
  const lock = await lockLedger(t, url);
  const handled = intake.handleBatch(toBatch(values), context);
  await killWaiting(pool);
  await until('the repeat', async () => (await countOf(metrics.intakeRetries, 'postgres')) > 0);
  t.same(await readOrders(pool), [], 'nothing of the killed transaction is left');
  t.same(seen.resolved, []);
  await lock.release();
  await handled;
  t.equal((await readOrders(pool)).length, 20);
  t.equal(await readSold(pool, saleId), 20);
  t.equal(await readOffset(pool), 20);
  t.equal(await countOf(metrics.intakeMessages, 'stored'), 20, 'and counted once');
  t.ok(seen.heartbeats > 0, 'the place in the group was kept meanwhile');
});

await test('a process that ends in the middle of a batch leaves it whole to the next one', async (t) => {
  const { url, pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  const values = Array.from({ length: 20 }, () => makeReservation(saleId));
  const first = makeContext();
  const lock = await lockLedger(t, url);
  const handled = buildIntake(pool, { batchCountMax: 7 }).intake.handleBatch(toBatch(values), first.context);
  await until('the lock', async () => (await findWaiting(pool)).length > 0);
  first.abort.abort();
  await killWaiting(pool);
  await handled;
  t.same(first.seen.resolved, [], 'it gave up without claiming anything');
  await lock.release();

  const next = makeContext();
  await buildIntake(pool, { batchCountMax: 7 }).intake.handleBatch(toBatch(values), next.context);
  t.equal((await readOrders(pool)).length, 20);
  t.equal(await readSold(pool, saleId), 20);
  t.equal(await readOffset(pool), 20);
});

await test('a commit whose answer was lost is not counted twice', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  let isLost = false;
  const { intake, metrics } = buildIntake(pool, {
    wrap: (store) => ({
      ...store,
      storeChunks: async (chunks) => {
        const stored = await store.storeChunks(chunks);
        if (isLost) return stored;
        isLost = true;
        throw new Error('Connection terminated unexpectedly');
      },
    }),
  });
  const { context } = makeContext();
  await intake.handleBatch(toBatch([makeReservation(saleId), makeReservation(saleId)]), context);
  t.equal(isLost, true);
  t.equal((await readOrders(pool)).length, 2);
  t.equal(await readSold(pool, saleId), 2);
  t.equal(await countOf(metrics.intakeMessages, 'duplicate'), 2);
});

await test('a consumer that slept while its partition went to another does not move the offset back', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  const values = Array.from({ length: 20 }, () => makeReservation(saleId));
  let isAsleep = false;
  let wake = (): void => undefined;
  const woken = new Promise<void>((resolve) => (wake = resolve));
  const sleeper = buildIntake(pool, {
    wrap: (store) => ({
      ...store,
      storeChunks: async (chunks) => {
        isAsleep = true;
        await woken;
        return store.storeChunks(chunks);
      },
    }),
  });
  const slept = sleeper.intake.handleBatch(toBatch(values.slice(0, 5)), makeContext().context);
  await until('the sleeper', async () => isAsleep);
  const { intake } = buildIntake(pool);
  const { context } = makeContext();
  await intake.handleBatch(toBatch(values), context);
  wake();
  await slept;
  t.equal(await readOffset(pool), 20);
  await intake.handleBatch(toBatch([makeReservation(saleId)], { offset: 20 }), context);
  t.equal((await readOrders(pool)).length, 21, 'the other goes on, and suspects nothing of Postgres');
  t.equal(await readSold(pool, saleId), 21);
  t.equal(await readOffset(pool), 21);
});

await test('Postgres away stops the partition, which waits and then goes on', async (t) => {
  const { url, pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  const proxy = await forwardTcp(t, url);
  const proxied = createPool(proxy.url, silent, { max: 2 });
  t.teardown(() => proxied.end());
  const { intake, letters, metrics } = buildIntake(proxied);
  const { context, seen } = makeContext();
  await intake.handleBatch(toBatch([makeReservation(saleId)]), context);

  await proxy.cut();
  const handled = intake.handleBatch(toBatch([makeReservation(saleId)], { offset: 1 }), context);
  await until('some attempts', async () => (await countOf(metrics.intakeRetries, 'postgres')) >= 3);
  t.same(letters, [], 'an absent database is no poison');
  t.same(seen.resolved, [0n]);
  await proxy.mend();
  await handled;
  t.same(seen.resolved, [0n, 1n]);
  t.equal(await readSold(pool, saleId), 2);
  t.equal(await readOffset(pool), 2);
});

await test('a consumer that stops while Postgres is away ends at once', async (t) => {
  const { url } = await createDatabase(t);
  const proxy = await forwardTcp(t, url);
  await proxy.cut();
  const proxied = createPool(proxy.url, silent, { max: 2 });
  t.teardown(() => proxied.end());
  const { intake, metrics } = buildIntake(proxied);
  const { context, seen, abort } = makeContext();
  const handled = intake.handleBatch(toBatch([makeReservation('any')]), context);
  await until('an attempt', async () => (await countOf(metrics.intakeRetries, 'postgres')) >= 1);
  const startedAt = performance.now();
  abort.abort();
  await handled;
  t.ok(performance.now() - startedAt < 1_000);
  t.same(seen.resolved, []);
});

await test('an error of neither the world nor the data is thrown, so that the process ends', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  await pool.query('ALTER TABLE orders RENAME COLUMN ref TO reference');
  const { intake, letters } = buildIntake(pool);
  const { context, seen } = makeContext();
  await t.rejects(intake.handleBatch(toBatch([makeReservation(saleId)]), context), { code: '42703' });
  t.same(letters, []);
  t.same(seen.resolved, []);
});

await test('a ledger that refuses our own sums is our bug, not a dead letter', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  // A trigger sells one more unit behind the intake's back.
  await pool.query(`CREATE FUNCTION oversell() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.sold := NEW.total + 1; RETURN NEW; END $$`);
  await pool.query(
    'CREATE TRIGGER oversell BEFORE UPDATE ON ledger FOR EACH ROW EXECUTE FUNCTION oversell()',
  );
  const { intake, letters } = buildIntake(pool);
  const { context } = makeContext();
  await t.rejects(intake.handleBatch(toBatch([makeReservation(saleId)]), context), InvariantError);
  t.same(letters, []);
  t.same(await readOrders(pool), [], 'INV-1: the order went with the transaction');
});

await test('many batches over the same sales and SKUs in every order neither deadlock nor lose a unit', async (t) => {
  const { pool } = await createDatabase(t, { connections: 8 });
  const skus = ['a', 'b', 'c', 'd'];
  const totals = Object.fromEntries(skus.map((sku) => [sku, 1_000_000]));
  const saleIds = await Promise.all([1, 2, 3, 4].map(() => storeSale(pool, totals)));
  const shuffle = <Item>(items: Item[]) => [...items].sort(() => Math.random() - 0.5);
  const { intake, metrics } = buildIntake(pool, { batchCountMax: 16 });
  const values = Array.from({ length: 60 }, () =>
    shuffle(saleIds).map((saleId) =>
      makeReservation(saleId, { lines: shuffle(skus).map((sku) => ({ sku, quantity: 1, price: 1 })) }),
    ),
  );
  // Each reservation comes twice, in two partitions at the same time: their rows collide as well.
  const batches = Array.from({ length: 16 }, (_, partition) =>
    toBatch(shuffle(values.filter((_order, index) => index % 8 === partition >> 1).flat()), { partition }),
  );
  await Promise.all(batches.map((batch) => intake.handleBatch(batch, makeContext().context)));
  t.equal((await readOrders(pool)).length, 240);
  t.same(await findLedgerMismatches(pool), []);
  t.equal(await readSold(pool, saleIds[0] ?? '', 'a'), 60);
  t.equal(await countOf(metrics.intakeMessages, 'stored'), 240);
  t.equal(await countOf(metrics.intakeMessages, 'duplicate'), 240);
  t.equal(
    await countOf(metrics.intakeRetries, 'postgres'),
    0,
    'the order of locks leaves no deadlock to retry',
  );
});

await test('a deadlock with a stranger is repeated, not given up', async (t) => {
  const { url, pool } = await createDatabase(t);
  const [one = '', two = ''] = (await Promise.all([1, 2].map(() => storeSale(pool, { orange: 10 })))).sort();
  const stranger = new pg.Client({ connectionString: url });
  await stranger.connect();
  t.teardown(() => stranger.end());
  const { intake, metrics } = buildIntake(pool);
  const retries = () => countOf(metrics.intakeRetries, 'postgres');
  // Postgres looks for a deadlock after a second of waiting. The intake waits first, so the intake is the
  // victim. If the machine was busy for that second, the stranger was the victim, and the test tries once
  // more.
  let rounds = 0;
  for (; rounds < 5 && (await retries()) === 0; rounds += 1) {
    await stranger.query('BEGIN');
    await stranger.query('SELECT FROM ledger WHERE sale_id = $1 FOR UPDATE', [two]);
    const values = [makeReservation(one), makeReservation(two)];
    const handled = intake.handleBatch(toBatch(values, { offset: 2 * rounds }), makeContext().context);
    await until('the intake waits', async () => (await findWaiting(pool)).length > 0);
    // The stranger takes the second row and then the first, against the order of the intake.
    await stranger.query('SELECT FROM ledger WHERE sale_id = $1 FOR UPDATE', [one]).catch(() => undefined);
    await stranger.query('ROLLBACK');
    await handled;
  }
  t.ok((await retries()) > 0, 'the intake was the victim');
  t.equal(await countOf(metrics.intakeMessages, 'stored'), 2 * rounds);
  t.same(await findLedgerMismatches(pool), []);
});
