// Goal: INV-5's first half: a hold whose time is over ends once, soon, however many replicas look and
// whatever fails.
// Method: the real role over a real Postgres, several at once; a clock and a store of the test's own for the
// loop.
import { createPool, InvariantError, systemClock, type Clock, type Pool } from '@seckill/runtime';
import { test } from 'tap';
import { createExpiryStore, Expiry, type ExpiryStore } from '../../src/expiry/expiry.ts';
import { SaleStore } from '../../src/sales/sale-store.ts';
import { createDatabase } from '../support/database.ts';
import { buildEnds, createTestMetrics, until } from '../support/build.ts';
import { forwardTcp, silent } from '@seckill/testing';
import {
  findLedgerMismatches,
  makeNotice,
  readOrders,
  readSold,
  readVerdicts,
  storeOrders,
  storeSale,
} from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

const GRACE_MS = 500;

function buildExpiry(store: ExpiryStore, options: { clock?: Clock; batchCountMax?: number } = {}) {
  const seen = { wakes: 0 };
  const metrics = createTestMetrics();
  const expiry = new Expiry({
    store,
    wake: () => {
      seen.wakes += 1;
    },
    clock: options.clock ?? systemClock,
    logger: silent,
    metrics,
    batchCountMax: options.batchCountMax ?? 500,
    graceMs: GRACE_MS,
    pollMs: 100,
  });
  return { expiry, metrics, seen };
}

const storeOf = (pool: Pool) => createExpiryStore(pool, new SaleStore(pool));

/** Sets every order's end so far from now, by Postgres' clock; milliseconds. */
async function setEnds(pool: Pool, ms: number): Promise<void> {
  await pool.query(`UPDATE orders SET expires_at = clock_timestamp() + make_interval(secs => $1 / 1000.0)`, [
    ms,
  ]);
}

await test('three replicas expire 2,000 holds that end together, each once, within 2 s of their end', async (t) => {
  const { pool, url } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 2_000 });
  await storeOrders(pool, saleId, Array<object>(2_000).fill({ expiresAt: 9e12 }));
  const stop = new AbortController();
  const replicas = Array.from({ length: 3 }, () => {
    const own = createPool(url, silent, { max: 1 });
    // The orders make 40 batches, which is about half a second of work. So each replica, which looks every
    // 100 ms, finds some of it.
    const replica = buildExpiry(storeOf(own), { batchCountMax: 50 });
    return { ...replica, own, running: replica.expiry.run(stop.signal) };
  });
  t.teardown(async () => {
    stop.abort();
    await Promise.all(replicas.map(({ running }) => running));
    await Promise.all(replicas.map(({ own }) => own.end()));
  });
  await setEnds(pool, 300);
  await until('the last one', async () => {
    const { rowCount } = await pool.query(`SELECT FROM orders WHERE status = 'pending' LIMIT 1`);
    return rowCount === 0;
  });
  const { rows } = await pool.query<{ first: number; last: number }>(
    `SELECT extract(epoch FROM min(ended_at - expires_at))::float8 AS first,
       extract(epoch FROM max(ended_at - expires_at))::float8 AS last FROM orders`,
  );
  const [{ first, last } = { first: 0, last: 0 }] = rows;
  t.comment(
    `first ${first.toFixed(3)} s, last ${last.toFixed(3)} s after the holds' end; ${GRACE_MS} ms are grace`,
  );
  t.ok(first >= GRACE_MS / 1_000, 'none before the grace is over');
  t.ok(last < 2, 'all in time');
  const ended = replicas.map(({ metrics }) => metrics.ordersEnded.get());
  const counts = (await Promise.all(ended)).map(({ values }) => values[0]?.value ?? 0);
  t.comment(`by replica: ${counts.join(', ')}`);
  t.ok(counts.filter((count) => count > 0).length >= 2, 'shared');
  t.equal(
    counts.reduce((sum, count) => sum + count, 0),
    2_000,
    'each counted once',
  );
  t.ok(
    replicas.every(({ seen }, index) => seen.wakes > 0 || counts[index] === 0),
    'the relay is woken',
  );
  const verdicts = await readVerdicts(pool);
  t.equal(verdicts.size, 2_000);
  t.ok(
    [...verdicts.values()].every((told) => told.join() === 'expired'),
    'one settlement each',
  );
  t.equal(await readSold(pool, saleId), 0);
});

await test('a hold is not expired before its end and the grace, and other orders never', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 10 });
  const values = await storeOrders(pool, saleId, Array<object>(4).fill({ expiresAt: 9e12 }));
  const { expiry } = buildExpiry(storeOf(pool));
  const { payments, orders } = buildEnds(pool);
  await payments.accept(makeNotice(values[0]?.reservationId ?? ''));
  await orders.cancel(values[1]?.reservationId ?? '', values[1]?.userId ?? '');
  await setEnds(pool, 0);
  t.equal(await expiry.pass(), false);
  const statuses = async () => (await readOrders(pool)).map(({ status }) => status);
  t.same(await statuses(), ['paid', 'cancelled', 'pending', 'pending'], 'within the grace');
  await setEnds(pool, -GRACE_MS - 1);
  await expiry.pass();
  t.same(await statuses(), ['paid', 'cancelled', 'expired', 'expired']);
  t.same(await findLedgerMismatches(pool), []);
});

await test('the longest overdue holds end first, batch by batch, without a pause while batches are full', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  const ends = Array.from({ length: 25 }, (_, index) => ({ expiresAt: 1_000 + ((index * 7) % 25) }));
  await storeOrders(pool, saleId, ends);
  const stop = new AbortController();
  const sleeps: number[] = [];
  const clock: Clock = {
    now: () => 0,
    async sleep(ms) {
      sleeps.push(ms);
      stop.abort();
    },
  };
  const { expiry } = buildExpiry(storeOf(pool), { clock, batchCountMax: 10 });
  await expiry.run(stop.signal);
  t.same(sleeps, [100], 'three batches, and the first pause after the one that was not full');
  const { rows } = await pool.query<{ is_ordered: boolean }>(
    `SELECT bool_and(later.ended_at >= earlier.ended_at) AS is_ordered FROM orders AS earlier, orders AS later
     WHERE later.expires_at >= earlier.expires_at + interval '10 ms'`,
  );
  t.equal(rows[0]?.is_ordered, true);
  t.equal((await readVerdicts(pool)).size, 25);
});

await test('while Postgres is away expiry waits, and goes on', async (t) => {
  const { pool, url } = await createDatabase(t);
  const proxy = await forwardTcp(t, url);
  const own = createPool(proxy.url, silent, { max: 1 });
  const saleId = await storeSale(pool, { orange: 10 });
  await storeOrders(pool, saleId, [{ expiresAt: 1_000 }]);
  await proxy.cut();
  const stop = new AbortController();
  const { expiry, metrics } = buildExpiry(storeOf(own));
  const running = expiry.run(stop.signal);
  t.teardown(async () => {
    stop.abort();
    await running;
    await own.end();
  });
  await until('two attempts', async () => ((await metrics.expiryRetries.get()).values[0]?.value ?? 0) >= 2);
  t.match(await readOrders(pool), [{ status: 'pending' }]);
  await proxy.mend();
  await until('the expiry', async () => (await readOrders(pool))[0]?.status === 'expired');
  t.equal((await readVerdicts(pool)).size, 1);
});

await test('an error of our own is not waited out', async (t) => {
  const store: ExpiryStore = {
    expireDue: () => Promise.reject(new InvariantError('ours')),
    retireSales: async () => [],
  };
  const { expiry } = buildExpiry(store);
  await t.rejects(expiry.run(new AbortController().signal), { code: 'SECKILL_INVARIANT' });
});

await test('a ledger that has sold less than comes back ends nothing', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 10 });
  await storeOrders(pool, saleId, [{ expiresAt: 1_000 }]);
  await pool.query('UPDATE ledger SET sold = 0');
  const { expiry } = buildExpiry(storeOf(pool));
  await t.rejects(expiry.pass(), { code: 'SECKILL_INVARIANT' });
  t.match(await readOrders(pool), [{ status: 'pending' }]);
  t.equal((await readVerdicts(pool)).size, 0);
});

await test('a sale retires a day after its last hold, when nothing is left to settle', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  const saleId = await storeSale(pool, { orange: 10, mango: 5 });
  const other = await storeSale(pool, { orange: 10 });
  const values = await storeOrders(pool, saleId, Array<object>(3).fill({ expiresAt: 9e12 }));
  const { payments } = buildEnds(pool);
  await payments.accept(makeNotice(values[0]?.reservationId ?? ''));
  const { expiry } = buildExpiry(storeOf(pool));
  const store = new SaleStore(pool);
  const close = (hours: number) =>
    pool.query(
      `UPDATE sales SET opens_at = '2000-01-01', closes_at = now() - make_interval(hours => $2) - interval '15 minutes'
       WHERE id = $1`,
      [saleId, hours],
    );
  const listed = async () => {
    const { body } = await call('GET', '/internal/sales');
    return (body['sales'] as { saleId: string }[]).map((sale) => sale.saleId).sort();
  };

  await close(23);
  await pool.query('DELETE FROM outbox');
  t.same(await store.retire(), [], 'the day is not over');
  await close(24);
  t.same(await store.retire(), [], 'two orders are pending');
  await pool.query(`UPDATE orders SET expires_at = now() - interval '1 h'`);
  await expiry.pass();
  t.same(await store.retire(), [], 'their settlements are not in Kafka');
  t.same(await listed(), [other, saleId].sort());
  await pool.query('UPDATE outbox SET published_at = now()');
  const retiredVersion = (await store.read(saleId))?.version ?? NaN;
  t.same(await store.retire(), [saleId]);
  t.same(await store.retire(), [], 'once');
  t.same(await listed(), [other], 'stock need not load it');

  const { status, body } = await call('GET', `/v1/sales/${saleId}`);
  t.equal(status, 200);
  t.same(body['retired'], {
    items: [
      { sku: 'mango', total: 5, paid: 0 },
      { sku: 'orange', total: 10, paid: 1 },
    ],
  });
  t.notOk('retired' in (await call('GET', `/v1/sales/${other}`)).body);
  t.match(
    await call('POST', `/internal/sales/${saleId}/snapshots`, { body: {} }),
    { status: 410 },
    'and it is not loaded',
  );
  t.equal((await call('POST', `/v1/sales/${saleId}/close`)).status, 200, 'closing it waits for nobody');
  await pool.query('UPDATE sales SET version = version + 1 WHERE id = $1', [other]);
  const { version: otherVersion } = (await store.read(other)) ?? { version: NaN };
  await until('the other sale is sent', () => stock.applied.get(other)?.version === otherVersion);
  // Stock was rightly told of the sale until it retired.
  t.notOk(
    stock.seen.some(({ saleId: id, version }) => id === saleId && version > retiredVersion),
    'but not the retired one',
  );
});

await test('stock hears which sales to load, and which of them it may have removed', async (t) => {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url);
  const [empty, used, refused] = [
    await storeSale(pool, { orange: 1 }),
    await storeSale(pool, { orange: 9 }),
    await storeSale(pool, { orange: 1 }),
  ];
  await pool.query('UPDATE sales SET epoch = 2 WHERE id <> $1', [empty]);
  await storeOrders(pool, used, [
    { epoch: 1, sequence: 7 },
    { epoch: 2, sequence: 3 },
    { epoch: 2, sequence: 4 },
    { epoch: 1, sequence: 9 },
  ]);
  await storeOrders(pool, refused, [
    { epoch: 2, sequence: 1 },
    { epoch: 2, sequence: 2 },
  ]);
  // A day after its last hold stock may have removed it; it stays on the list until order itself has retired
  // it.
  await pool.query(
    `UPDATE sales SET opens_at = '2000-01-01', closes_at = now() - interval '24 h 16 min' WHERE id = $1`,
    [refused],
  );
  const { status, body } = await call('GET', '/internal/sales');
  t.equal(status, 200);
  const expected = [
    { saleId: empty, epoch: 1, mayRetire: false, lanes: 1 },
    { saleId: used, epoch: 2, mayRetire: false, lanes: 1 },
    { saleId: refused, epoch: 2, mayRetire: true, lanes: 1 },
  ];
  t.same(
    body['sales'],
    expected.sort((a, b) => (a.saleId < b.saleId ? -1 : 1)),
  );
  t.match(await call('GET', '/internal/sales', { token: 'wrong' }), { status: 403 });
});
