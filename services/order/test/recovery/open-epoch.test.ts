// Goal: only the newest epoch opens, and only if Redis and Postgres agree about what was reserved in it
// (INV-1, INV-2).
// Method: stock's calls to a real `http` role over a real Postgres; support/stock.ts stands in for stock.
import type { OpeningRequest } from '@seckill/contracts';
import type { Pool } from '@seckill/runtime';
import { test, type Test } from 'tap';
import { createDatabase, untilBlocked } from '../support/database.ts';
import { makeSaleInput, storeOrders, storeSale } from '../support/reservations.ts';
import { createService, type Answer } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

async function createFixture(t: Test) {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  const snapshot = (id: string, body: unknown = { ends: ['0'] }) =>
    call('POST', `/internal/sales/${id}/snapshots`, { body });
  const open = (id: string, changes: Partial<OpeningRequest>): Promise<Answer> =>
    call('POST', `/internal/sales/${id}/openings`, {
      body: { lane: 0, epoch: 1, sequence: 0, version: 1, ends: ['0'], ...changes },
    });
  return { pool, stock, call, snapshot, open };
}

const refusalOf = ({ status, body }: Answer) => (status === 200 ? (body['refusal'] ?? 'granted') : status);

async function readOpened(pool: Pool, saleId: string): Promise<number | undefined> {
  const { rows } = await pool.query<{ opened: number | null }>(
    'SELECT opened_epoch::int AS opened FROM sales WHERE id = $1',
    [saleId],
  );
  return rows[0]?.opened ?? undefined;
}

await test("a sale that never opened needs no Kafka; for one that did, stock must name Kafka's ends", async (t) => {
  const { pool, call, snapshot } = await createFixture(t);
  const id = makeSaleInput().id ?? '';
  await call('POST', '/v1/sales', { body: makeSaleInput({ id }) });
  const withoutEnds = (epoch: number, changes = {}) =>
    call('POST', `/internal/sales/${id}/openings`, {
      body: { lane: 0, epoch, sequence: 0, version: 1, ...changes },
    });
  const snapshots = await Promise.all([1, 2, 3].map(() => snapshot(id, {})));
  t.same(
    snapshots.map(({ body }) => body['epoch']).sort(),
    [1, 2, 3],
    'every loader has an epoch of its own',
  );
  t.same(await withoutEnds(2), {
    status: 200,
    body: { epoch: 2, granted: false, refusal: 'superseded' },
  });
  t.equal(refusalOf(await withoutEnds(4)), 'superseded', 'nor one that order never gave');
  t.match(await withoutEnds(0), { status: 400, body: { field: 'epoch' } });
  t.match(await withoutEnds(3, { lane: 1 }), { status: 400, body: { field: 'lane' } });
  t.equal(await readOpened(pool, id), undefined);
  t.same(await withoutEnds(3), { status: 200, body: { epoch: 3, granted: true } });
  t.equal(await readOpened(pool, id), 3);
  t.match(await withoutEnds(3), { status: 409, body: { code: 'ends_missing' } });
  t.match(await snapshot(id, {}), { status: 409, body: { code: 'ends_missing' } });
  const { rows } = await pool.query('SELECT epoch::int FROM sales WHERE id = $1', [id]);
  t.same(rows, [{ epoch: 3 }], 'and the refused snapshot raised nothing');
});

await test("Redis' reservations of a lane and epoch are compared with those that Postgres stores", async (t) => {
  const { pool, open } = await createFixture(t);
  const saleId = await storeSale(pool, { orange: 100 });
  await storeOrders(pool, saleId, [{ sequence: 1 }, { sequence: 3 }, { sequence: 2 }]);
  t.equal(refusalOf(await open(saleId, { sequence: 2 })), 'behind', 'Redis forgot one');
  t.equal(refusalOf(await open(saleId, { sequence: 4 })), 'ahead', 'Postgres lacks one');
  t.equal(refusalOf(await open(saleId, { sequence: 3 })), 'granted');
  // A refused order was a reservation of Redis all the same.
  await pool.query(`UPDATE orders SET status = 'refused', refusal = 'ledger' WHERE sequence = 3`);
  t.equal(refusalOf(await open(saleId, { sequence: 2 })), 'behind');
  t.equal(refusalOf(await open(saleId, { sequence: 3 })), 'granted');
  await pool.query('UPDATE orders SET epoch = 2 WHERE sequence = 3');
  t.equal(refusalOf(await open(saleId, { sequence: 3 })), 'behind', 'something later is stored');
  await pool.query('UPDATE sales SET epoch = 3');
  t.equal(refusalOf(await open(saleId, { epoch: 3 })), 'granted', 'a new epoch has no reservations');
});

await test('Redis may not have lost a control state that it acknowledged', async (t) => {
  const { pool, stock, open } = await createFixture(t);
  // The control sync would hand the last change over in the middle of this test.
  await stock.down();
  const saleId = await storeSale(pool, { orange: 100 });
  await pool.query('UPDATE sales SET version = 5, acknowledged_version = 4');
  t.equal(refusalOf(await open(saleId, { version: 3 })), 'outdated');
  t.equal(refusalOf(await open(saleId, { version: 4 })), 'granted', 'the last change is on its way');
});

await test('a distrusted epoch never opens, the one above it does', async (t) => {
  const { pool, open, snapshot } = await createFixture(t);
  const saleId = await storeSale(pool, { orange: 100 });
  t.equal(refusalOf(await open(saleId, {})), 'granted');
  await pool.query(`INSERT INTO doubts (sale_id, epoch, reason) VALUES ($1, 1, 'refused')`, [saleId]);
  t.equal(refusalOf(await open(saleId, {})), 'superseded');
  t.match(await snapshot(saleId), { status: 200, body: { epoch: 2, control: { distrustedEpoch: 1 } } });
  t.equal(refusalOf(await open(saleId, { epoch: 2 })), 'granted');
});

await test('an epoch distrusted while an opening waits for the sale is not opened', async (t) => {
  const { pool, open } = await createFixture(t);
  const saleId = await storeSale(pool, { orange: 100 });
  const client = await pool.connect();
  await client.query('BEGIN');
  await client.query('SELECT FROM sales WHERE id = $1 FOR NO KEY UPDATE', [saleId]);
  const opening = open(saleId, {});
  await untilBlocked(pool);
  await client.query(`INSERT INTO doubts (sale_id, epoch, reason) VALUES ($1, 1, 'late_row')`, [saleId]);
  await client.query('COMMIT');
  client.release();
  t.equal(refusalOf(await opening), 'superseded');
});

await test('a snapshot and an opening that race never leave an opened sale with a newer epoch', async (t) => {
  const { call, snapshot } = await createFixture(t);
  for (let round = 0; round < 10; round += 1) {
    const id = makeSaleInput().id ?? '';
    await call('POST', '/v1/sales', { body: makeSaleInput({ id }) });
    const { body } = await snapshot(id, {});
    const [second, opening] = await Promise.all([
      snapshot(id, {}),
      call('POST', `/internal/sales/${id}/openings`, {
        body: { lane: 0, epoch: body['epoch'], sequence: 0, version: 1 },
      }),
    ]);
    t.equal(second.status === 200, opening.body['granted'] === false, 'exactly one of the two wins');
  }
});

await test('an opening waits until the intake has stored what Kafka has', async (t) => {
  const { pool, open } = await createFixture(t);
  const saleId = await storeSale(pool, { orange: 100 });
  const ends = ['3', '0', '1'];
  t.match(await open(saleId, { ends }), { status: 503, body: { code: 'sale_unavailable' } });
  t.equal(await readOpened(pool, saleId), 1, 'stays as it was');
  const opening = open(saleId, { sequence: 3, ends });
  await storeOrders(pool, saleId, [{ sequence: 1 }, { sequence: 2 }, { sequence: 3 }]);
  await pool.query(`INSERT INTO intake_offsets SELECT topic, 2, 1 FROM intake_offsets`);
  t.equal(refusalOf(await opening), 'granted', 'as soon as it has');
  await pool.query('UPDATE intake_offsets SET next_offset = 0 WHERE partition = 2');
  t.match(await open(saleId, { sequence: 3, ends }), { status: 503 }, 'one partition is enough to wait for');
});

await test('unknown and retired sales, and callers that are not stock, open nothing', async (t) => {
  const { pool, call, open, snapshot } = await createFixture(t);
  t.match(await open('nowhere', {}), { status: 404, body: { code: 'sale_not_found' } });
  t.match(await snapshot('nowhere'), { status: 404, body: { code: 'sale_not_found' } });
  const saleId = await storeSale(pool, { orange: 1 });
  await pool.query('UPDATE sales SET retired_at = now()');
  t.match(await open(saleId, {}), { status: 410, body: { code: 'sale_closed' } });
  t.match(await snapshot(saleId), { status: 410, body: { code: 'sale_closed' } });
  const after = '0.1.1';
  t.match(await call('GET', `/internal/sales/${saleId}/snapshots?after=${after}`), { status: 410 });
  for (const path of ['openings', 'snapshots', 'verdicts']) {
    const answer = await call('POST', `/internal/sales/${saleId}/${path}`, {
      body: {},
      token: 'gateway-token-of-at-least-32-characters',
    });
    t.match(answer, { status: 403, body: { code: 'forbidden' } }, path);
  }
});
