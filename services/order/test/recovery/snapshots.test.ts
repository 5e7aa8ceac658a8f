// Goal: every order is in the snapshot that raised the epoch or makes that epoch distrusted; none is ever in
// neither (INV-1, INV-4).
// Method: stock's calls to a real `http` role, and the real intake, over a real Postgres; both orders of each
// race are forced with a transaction of the test's own that holds the locks.
import {
  LIMITS,
  parseSnapshotOrders,
  type EndedPage,
  type Snapshot,
  type SnapshotOrder,
  type SnapshotPage,
} from '@seckill/contracts';
import type { Pool } from '@seckill/runtime';
import { test, type Test } from 'tap';
import { storeRestock } from '../../src/sales/restock-store.ts';
import { createDatabase, untilBlocked } from '../support/database.ts';
import { buildIntake, makeContext, until } from '../support/build.ts';
import { makeReservation, storeOrders, storeSale, toBatch } from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

const withOrders = <Page extends SnapshotPage>(page: Page) => ({
  ...page,
  orders: parseSnapshotOrders(page.orders),
});

async function createFixture(t: Test) {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  const saleId = await storeSale(pool, { mango: 2_000, orange: 2_000 });
  const path = `/internal/sales/${saleId}`;
  const take = async (body: unknown = { ends: ['0'] }) => {
    const answer = await call('POST', `${path}/snapshots`, { body });
    return withOrders(answer.body as unknown as Snapshot);
  };
  const read = async (after: string) => {
    const answer = await call('GET', `${path}/snapshots?after=${after}`);
    return withOrders(answer.body as unknown as SnapshotPage);
  };
  return { pool, call, saleId, path, take, read };
}

const store = (pool: Pool, values: unknown[], offset = 0) =>
  buildIntake(pool).intake.handleBatch(toBatch(values, { offset }), makeContext().context);

async function readDistrusted(pool: Pool): Promise<{ epoch: number; reason: string }[]> {
  const { rows } = await pool.query<{ epoch: number; reason: string }>(
    'SELECT epoch::int, reason FROM doubts ORDER BY epoch',
  );
  return rows;
}

await test('a snapshot has every order that was not refused, as it was reserved', async (t) => {
  const { pool, saleId, take } = await createFixture(t);
  const neighbour = await storeSale(pool, { orange: 5 });
  const whole = makeReservation(saleId, {
    lines: [
      { sku: 'mango', quantity: 2, price: 100 },
      { sku: 'orange', quantity: 1, price: 2_990 },
    ],
    channelId: 'xhs',
    ref: 'note "1", 橙',
    metadata: { zebra: '"\n橙', apple: [1.5, null] },
    contact: 'sealed.by.a-key',
  });
  const [paid, cancelled, expired, refused] = [1, 2, 3, 4].map(() => makeReservation(saleId));
  await store(pool, [whole, paid, cancelled, expired, refused, makeReservation(neighbour)]);
  const set = (id: string | undefined, status: string) =>
    pool.query(
      `UPDATE orders SET status = $2, refusal = CASE WHEN $2 = 'refused' THEN 'ledger' END WHERE id = $1`,
      [id, status],
    );
  await set(paid?.reservationId, 'paid');
  await set(cancelled?.reservationId, 'cancelled');
  await pool.query('UPDATE orders SET ended_at = $2 WHERE id = $1', [
    cancelled?.reservationId,
    new Date(5_000),
  ]);
  await set(expired?.reservationId, 'expired');
  await set(refused?.reservationId, 'refused');
  const { epoch, control, orders, after } = await take();
  t.equal(epoch, 2);
  t.match(control, { saleId, version: 1, distrustedEpoch: 0, state: 'open' });
  t.equal(after, undefined);
  t.same(
    new Map(orders.map(({ reservationId, status }) => [reservationId, status])),
    new Map([
      [whole.reservationId, 'pending'],
      [paid?.reservationId, 'paid'],
      [cancelled?.reservationId, 'cancelled'],
      [expired?.reservationId, 'expired'],
    ]),
  );
  const { saleId: _saleId, lane: _lane, currency: _currency, fingerprint: _fingerprint, ...expected } = whole;
  const found = orders.find(({ reservationId }) => reservationId === whole.reservationId);
  t.same(found, { ...expected, status: 'pending' } satisfies SnapshotOrder);
  t.equal(JSON.stringify(found?.metadata), JSON.stringify(whole.metadata), 'a repeat gets the same bytes');
  const ended = orders.find(({ reservationId }) => reservationId === cancelled?.reservationId);
  t.equal(ended?.endedAt, 5_000, 'the buyer’s cool-down runs from here');
});

await test('the epoch is higher than any that Redis or Postgres knows, on the sale and each row of its ledger', async (t) => {
  const { pool, take } = await createFixture(t);
  const readEpochs = async () => {
    const { rows } = await pool.query<{ epoch: number }>(
      'SELECT epoch::int FROM sales UNION ALL SELECT epoch::int FROM ledger',
    );
    return rows.map(({ epoch }) => epoch);
  };
  t.equal((await take({ above: 7, ends: ['0'] })).epoch, 8, 'Postgres is older than Redis');
  t.equal((await take({ above: 3, ends: ['0'] })).epoch, 9, 'Redis is older than Postgres');
  t.same(await readEpochs(), [9, 9, 9]);
  const epochs = (await Promise.all([take(), take(), take()])).map(({ epoch }) => epoch);
  t.same(epochs.sort(), [10, 11, 12], 'several at once get an epoch each');
  t.same(await readEpochs(), [12, 12, 12]);
});

await test('a snapshot waits for the intake: 503 until everything before the ends is stored', async (t) => {
  const { pool, call, saleId, path, take } = await createFixture(t);
  const answer = await call('POST', `${path}/snapshots`, { body: { ends: ['2'] } });
  t.match(answer, { status: 503, body: { code: 'sale_unavailable' } });
  const { rows } = await pool.query('SELECT epoch::int FROM sales');
  t.same(rows, [{ epoch: 1 }], 'nothing is raised');
  const taking = take({ ends: ['2', '0'] });
  await store(pool, [makeReservation(saleId), makeReservation(saleId)]);
  t.equal((await taking).orders.length, 2);
});

await test('an intake transaction that holds the ledger is waited for, and its orders are in the snapshot', async (t) => {
  const { pool, saleId, take } = await createFixture(t);
  const client = await pool.connect();
  await client.query('BEGIN');
  // intake-store.ts goes the same way: first the order, then the ledger.
  await client.query(
    `INSERT INTO orders (id, sale_id, lane, epoch, sequence, user_id, idempotency_key, fingerprint, lines, amount,
       currency, status, reserved_at, expires_at)
     VALUES ($1, $2, 0, 1, 1, 'u', 'k', 'f', '[]', 0, 'CNY', 'pending', now(), now())`,
    [`${saleId}.0.aaaaaaaaaaaaaaaa`, saleId],
  );
  await client.query(`SELECT FROM ledger WHERE sale_id = $1 AND sku = 'orange' FOR UPDATE`, [saleId]);
  const taking = take();
  await untilBlocked(pool);
  await client.query('COMMIT');
  client.release();
  t.same(
    (await taking).orders.map(({ reservationId }) => reservationId),
    [`${saleId}.0.aaaaaaaaaaaaaaaa`],
  );
  t.same(await readDistrusted(pool), []);
});

await test('an intake transaction that waits for the snapshot distrusts the epoch that lacks its order', async (t) => {
  const { pool, call, saleId, path } = await createFixture(t);
  const client = await pool.connect();
  // The test takes the snapshot's locks and epoch, and holds them until the intake waits behind them.
  await client.query('BEGIN');
  await client.query('UPDATE sales SET epoch = 2 WHERE id = $1', [saleId]);
  await client.query('UPDATE ledger SET epoch = 2 WHERE sale_id = $1', [saleId]);
  const late = makeReservation(saleId);
  const storing = store(pool, [late]);
  await untilBlocked(pool);
  const { rows } = await client.query('SELECT FROM orders');
  t.equal(rows.length, 0, 'the snapshot lacks it');
  await client.query('COMMIT');
  client.release();
  await storing;
  t.same(await readDistrusted(pool), [{ epoch: 2, reason: 'late_row' }]);
  const opening = await call('POST', `${path}/openings`, {
    body: { lane: 0, epoch: 2, sequence: 0, version: 1, ends: ['0'] },
  });
  t.match(opening, { body: { granted: false, refusal: 'superseded' } });
});

await test('snapshots, restocks and the intake race without a deadlock, and no order is lost between them', async (t) => {
  const { pool, saleId, take } = await createFixture(t);
  const values = Array.from({ length: 200 }, () => makeReservation(saleId));
  for (const [index, value] of values.entries()) {
    value.lines.push({ sku: 'mango', quantity: 1, price: 100 });
    if (index % 2 === 0) value.lines.reverse();
  }
  const storing = (async () => {
    for (let start = 0; start < values.length; start += 10) {
      await store(pool, values.slice(start, start + 10), start);
    }
  })();
  const snapshots: Awaited<ReturnType<typeof take>>[] = [];
  for (let round = 0; round < 15; round += 1) {
    const restock = { saleId, sku: 'orange', quantity: 1, idempotencyKey: `restock-${round}` };
    const [snapshot, , outcome] = await Promise.all([take(), take(), storeRestock(pool, restock)]);
    snapshots.push(snapshot);
    t.equal(outcome, 'restocked');
  }
  await storing;
  const distrusted = await readDistrusted(pool);
  const highest = Math.max(0, ...distrusted.map(({ epoch }) => epoch));
  for (const { epoch, orders } of snapshots) {
    t.ok(epoch > 1 && (orders.length === values.length || highest >= epoch), 'whole, or distrusted');
  }
  t.equal((await take()).orders.length, values.length);
});

await test('1,200 orders come in pages, each once, while their status changes', async (t) => {
  const { pool, call, saleId, path, take, read } = await createFixture(t);
  const stored = await storeOrders(
    pool,
    saleId,
    Array.from({ length: 1_200 }, () => ({})),
  );
  const first = await take();
  t.equal(first.orders.length, 500);
  await pool.query(`UPDATE orders SET status = 'cancelled' WHERE sequence % 2 = 0`);
  const second = await read(first.after ?? '');
  await pool.query(`UPDATE orders SET status = 'expired' WHERE status = 'pending'`);
  const third = await read(second.after ?? '');
  t.same([second.orders.length, third.orders.length, third.after], [500, 200, undefined]);
  const ids = [first, second, third].flatMap(({ orders }) =>
    orders.map(({ reservationId }) => reservationId),
  );
  t.same(
    ids,
    stored.map(({ reservationId }) => reservationId),
    'in the order they were reserved in',
  );

  // Orders that ended behind the pages' back are found by the verdicts.
  const known = ids.slice(0, 400);
  const unknown = `${saleId}.0.aaaaaaaaaaaaaaaa`;
  const verdicts = await call('POST', `${path}/verdicts`, {
    body: { ends: ['200'], reservationIds: [unknown, ...known] },
  });
  t.same(verdicts.body['unknown'], [unknown]);
  t.equal((verdicts.body['ended'] as unknown[]).length, 400);
});

await test('orders that ended since a snapshot are found, also those whose transaction was under way', async (t) => {
  const { pool, call, saleId, path, take } = await createFixture(t);
  const neighbour = await storeSale(pool, { orange: 5 });
  const stored = await storeOrders(pool, saleId, [{}, {}, {}, {}]);
  const [foreign] = await storeOrders(pool, neighbour, [{}]);
  const [before, underWay, later, pending] = stored.map(({ reservationId }) => reservationId);
  const end = 'UPDATE orders SET status = $2 WHERE id = $1';
  await pool.query(end, [before, 'expired']);
  // Other test files have transactions under way in other databases, and the horizon lies below those too.
  await until('it lies below the horizon', async () => {
    const { rows } = await pool.query<{ isPast: boolean }>(
      `SELECT xmin::text::bigint < pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS "isPast"
       FROM orders WHERE id = $1`,
      [before],
    );
    return rows[0]?.isPast === true;
  });
  const client = await pool.connect();
  await client.query('BEGIN');
  await client.query(end, [underWay, 'paid']);
  // This transaction ends while another one is under way. That one therefore lies below the highest number
  // that has ended.
  await pool.query(end, [foreign?.reservationId, 'cancelled']);
  const { since, orders } = await take();
  await client.query('COMMIT');
  client.release();
  await pool.query(end, [later, 'cancelled']);
  t.match(
    orders.map(({ status }) => status),
    ['expired', 'pending', 'pending', 'pending'],
  );
  const ask = async (after = '') => {
    const { body } = await call('GET', `${path}/verdicts?since=${since}${after}`);
    return body as unknown as EndedPage;
  };
  const found = [
    { reservationId: underWay, verdict: 'paid' },
    { reservationId: later, verdict: 'cancelled' },
  ];
  t.same(await ask(), { ended: found });
  t.ok(pending);

  // There are more orders than one question looks at. The ends at both edges are found, each once.
  await pool.query(
    `INSERT INTO orders SELECT id || '-' || made, sale_id, lane, epoch, 100000 + made, user_id || made, idempotency_key, fingerprint,
       lines, amount, currency, channel_id, ref, status, refusal, reserved_at, expires_at
     FROM orders, generate_series(1, $2) AS made WHERE id = $1`,
    [pending, LIMITS.endedScanMax],
  );
  await pool.query(end, [`${pending}-${LIMITS.endedScanMax}`, 'expired']);
  const first = await ask();
  t.same(first.ended, found);
  const second = await ask(`&after=${first.after ?? ''}`);
  t.same(second, { ended: [{ reservationId: `${pending}-${LIMITS.endedScanMax}`, verdict: 'expired' }] });
});

await test('verdicts tell what Postgres decided, and nothing of pending orders or other sales', async (t) => {
  const { pool, call, saleId, path } = await createFixture(t);
  const neighbour = await storeSale(pool, { orange: 5 });
  const values = ['paid', 'cancelled', 'expired', 'refused', 'pending'].map((status) => ({
    status,
    value: makeReservation(saleId),
  }));
  const foreign = makeReservation(neighbour);
  await store(pool, [...values.map(({ value }) => value), foreign]);
  for (const { status, value } of values) {
    await pool.query(
      `UPDATE orders SET status = $2, refusal = CASE WHEN $2 = 'refused' THEN 'ledger' END WHERE id = $1`,
      [value.reservationId, status],
    );
  }
  const ask = (reservationIds: string[], more = {}) =>
    call('POST', `${path}/verdicts`, { body: { reservationIds, ...more } });
  const { status, body } = await ask(values.map(({ value }) => value.reservationId));
  t.equal(status, 200);
  const ended = body['ended'] as { reservationId: string; verdict: string }[];
  t.same(
    new Map(ended.map(({ reservationId, verdict }) => [reservationId, verdict])),
    new Map(values.slice(0, 4).map((one) => [one.value.reservationId, one.status])),
  );
  t.same(body['unknown'], []);
  t.match(await ask([foreign.reservationId]), { status: 400, body: { field: 'reservationIds' } });
  t.match(await ask([]), { status: 400 });
  t.match(await ask([values[0]?.value.reservationId ?? ''], { ends: ['7'] }), { status: 503 });
  for (const query of [`snapshots?after=${foreign.reservationId}`, 'verdicts', 'verdicts?since=-1']) {
    t.match(await call('GET', `${path}/${query}`), { status: 400 }, query);
  }
  const many = Array.from({ length: 500 }, (_, index) => `${saleId}.0.${String(index).padStart(43, 'a')}`);
  t.equal(((await ask(many)).body['unknown'] as unknown[]).length, 500, 'a whole page of long ids');
});
