// Goal: an operator's change that comes late, or was decided on another state, changes nothing.
// Method: the `http` role over a real Postgres; support/stock.ts stands in for stock over real HTTP; another
// connection holds the lock of the sale.
import type { SaleRecord } from '@seckill/contracts';
import { test, type Test } from 'tap';
import { createDatabase } from '../support/database.ts';
import { makeSaleInput } from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

async function build(t: Test) {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  const created = await call('POST', '/v1/sales', { body: makeSaleInput() });
  const saleId = (created.body as unknown as SaleRecord).definition.id;
  const now = async () => ((await call('GET', '/v1/clock')).body as unknown as { now: number }).now;
  const change = (verb: string, headers: Record<string, string> = {}) =>
    call('POST', `/v1/sales/${saleId}/${verb}`, { headers });
  const restock = (headers: Record<string, string>) =>
    call('POST', `/v1/sales/${saleId}/items/orange/restock`, { body: { quantity: 5 }, headers });
  const read = async () => (await call('GET', `/v1/sales/${saleId}`)).body as unknown as SaleRecord;
  return { pool, saleId, now, change, restock, read };
}

const LATE = { status: 503, body: { code: 'overloaded' } };

await test('after its deadline a change is not made', async (t) => {
  const { now, change, restock, read } = await build(t);
  const passed = { 'x-deadline': String((await now()) - 1) };
  for (const verb of ['pause', 'close']) t.match(await change(verb, passed), LATE, verb);
  t.match(await restock({ ...passed, 'idempotency-key': 'k' }), LATE);
  t.match(await read(), { version: 1, state: 'open' });
  t.match(
    await change('resume', passed),
    { status: 200, body: { version: 1 } },
    'what is so already is told',
  );
  const ahead = { 'x-deadline': String((await now()) + 5_000) };
  t.match(await restock({ ...ahead, 'idempotency-key': 'k' }), { status: 200, body: { version: 2 } });
  t.match(
    await restock({ ...passed, 'idempotency-key': 'k' }),
    { status: 200, body: { version: 2 } },
    'a repeat',
  );
  t.match(await change('pause', ahead), { status: 200, body: { version: 3, state: 'paused' } });
});

await test('the wait for the lock of a sale counts', async (t) => {
  const { pool, saleId, now, change, restock, read } = await build(t);
  const client = await pool.connect();
  await client.query('BEGIN');
  await client.query('SELECT FROM sales WHERE id = $1 FOR NO KEY UPDATE', [saleId]);
  const soon = { 'x-deadline': String((await now()) + 300) };
  const answers = Promise.all([change('pause', soon), restock({ ...soon, 'idempotency-key': 'k' })]);
  await new Promise((resolve) => setTimeout(resolve, 700));
  // Nothing of the row has changed, so Postgres by itself would not look at it again.
  await client.query('COMMIT');
  client.release();
  for (const answer of await answers) t.match(answer, LATE);
  t.match(await read(), { version: 1, state: 'open' });
});

await test('If-Match: a change is made on the version that was seen, and on no other', async (t) => {
  const { change, restock, read } = await build(t);
  const on = (version: number) => ({ 'if-match': `"${version}"` });
  t.match(await change('pause', on(1)), { status: 200, body: { version: 2, state: 'paused' } });
  t.match(
    await change('pause', on(1)),
    { status: 200, body: { version: 2 } },
    'a repeat finds its own change',
  );
  const conflict = { status: 412, body: { code: 'version_conflict', version: 2 } };
  t.match(await change('resume', on(1)), conflict);
  t.match(await change('close', on(1)), conflict);
  t.match(await change('pause', on(2)), { status: 200, body: { version: 2 } }, 'already so');
  t.match(await restock({ ...on(1), 'idempotency-key': 'k' }), conflict);
  t.match(await restock({ ...on(2), 'idempotency-key': 'k' }), { status: 200, body: { version: 3 } });
  t.match(
    await restock({ ...on(2), 'idempotency-key': 'k' }),
    { status: 200, body: { version: 3 } },
    'a repeat',
  );
  t.match(await change('resume', on(3)), { status: 200, body: { version: 4, state: 'open' } });
  t.match(await change('pause', { 'if-match': '4' }), { status: 400, body: { field: 'if-match' } });
  t.match(await read(), { version: 4, state: 'open' });
});
