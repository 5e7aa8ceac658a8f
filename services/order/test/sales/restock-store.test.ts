// Goal: a restock adds its units once, in the ledger before in stock, and however many race none is lost.
// Method: the `http` role over a real Postgres; support/stock.ts stands in for stock over real HTTP.
import { LIMITS, type SaleRecord } from '@seckill/contracts';
import { test } from 'tap';
import { createDatabase } from '../support/database.ts';
import { buildIntake, makeContext, until } from '../support/build.ts';
import { findLedgerMismatches, makeReservation, makeSaleInput, toBatch } from '../support/reservations.ts';
import { createService, type Service } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

const totalOf = (body: unknown, sku = 'orange') =>
  (body as SaleRecord).definition.items.find((item) => item.sku === sku)?.total;

async function createSale({ call }: Service): Promise<string> {
  const { items } = makeSaleInput();
  const mango = { sku: 'mango', title: '芒果', price: { amount: 10, currency: 'CNY' }, total: 5 };
  const { status, body } = await call('POST', '/v1/sales', {
    body: makeSaleInput({ items: [...items, mango] }),
  });
  if (status !== 201) throw new Error(`the sale was not created: ${JSON.stringify(body)}`);
  return (body as unknown as SaleRecord).definition.id;
}

const restock = (
  { call }: Service,
  saleId: string,
  options: { key?: string | undefined; sku?: string; quantity?: unknown },
) =>
  call('POST', `/v1/sales/${saleId}/items/${options.sku ?? 'orange'}/restock`, {
    body: { quantity: options.quantity ?? 100 },
    headers: options.key === undefined ? {} : { 'idempotency-key': options.key },
  });

await test('a restock raises ledger, definition and version, and is answered when stock has it', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const service = await createService(t, pool, stock.url);
  const saleId = await createSale(service);
  const first = await restock(service, saleId, { key: 'k1', quantity: 50 });
  t.match(first, { status: 200, body: { version: 2, acknowledged: true } });
  t.equal(totalOf(first.body), 150);
  t.equal(totalOf(first.body, 'mango'), 5);
  t.match(stock.applied.get(saleId), {
    version: 2,
    items: [
      { sku: 'orange', total: 150 },
      { sku: 'mango', total: 5 },
    ],
  });
  const { rows } = await pool.query('SELECT sku, total FROM ledger ORDER BY sku');
  t.same(rows, [
    { sku: 'mango', total: '5' },
    { sku: 'orange', total: '150' },
  ]);
  for (let repeat = 0; repeat < 3; repeat += 1) {
    t.same(await restock(service, saleId, { key: 'k1', quantity: 50 }), first, 'a repeat changes nothing');
  }
  for (const other of [{ quantity: 51 }, { quantity: 50, sku: 'mango' }]) {
    t.match(await restock(service, saleId, { key: 'k1', ...other }), {
      status: 422,
      body: { code: 'key_reused' },
    });
  }
  t.equal(totalOf((await restock(service, saleId, { key: 'k2', quantity: 1 })).body), 151);
  const twin = await createSale(service);
  t.equal(
    totalOf((await restock(service, twin, { key: 'k1', quantity: 7 })).body),
    107,
    'a key is the sale’s own',
  );
});

await test('the ledger has the units before stock may sell them', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const service = await createService(t, pool, stock.url);
  const saleId = await createSale(service);
  stock.delayMs = 300;
  const restocking = restock(service, saleId, { key: 'k' });
  await until('the control state', () => stock.seen.some(({ version }) => version === 2));
  const { rows } = await pool.query<{ total: string }>(`SELECT total FROM ledger WHERE sku = 'orange'`);
  t.equal(rows[0]?.total, '200');
  t.equal(stock.applied.get(saleId)?.version, 1, 'stock has not');
  t.equal((await restocking).status, 200);
});

/**
 * Forty may wait for one row longer than the pool's second on a busy machine. Whoever hears 503 asks again.
 */
async function untilTold(ask: () => ReturnType<typeof restock>): ReturnType<typeof restock> {
  for (let attempt = 0; ; attempt += 1) {
    const answer = await ask();
    if (answer.status !== 503 || attempt === 20) return answer;
  }
}

await test('restocks that race add up, and repeats of theirs add nothing, while the intake sells', async (t) => {
  const { pool } = await createDatabase(t, { connections: 40 });
  const stock = await createStock(t);
  const service = await createService(t, pool, stock.url);
  const saleId = await createSale(service);
  const keys = Array.from({ length: 40 }, (_, index) => `key-${index % 20}`);
  const { intake } = buildIntake(pool, { batchCountMax: 5 });
  const values = Array.from({ length: 100 }, () => makeReservation(saleId));
  const [answers] = await Promise.all([
    Promise.all(keys.map((key) => untilTold(() => restock(service, saleId, { key, quantity: 3 })))),
    intake.handleBatch(toBatch(values), makeContext().context),
  ]);
  t.same(
    answers.filter(({ status }) => status !== 200),
    [],
  );
  const { body } = await service.call('GET', `/v1/sales/${saleId}`);
  t.equal(totalOf(body), 160);
  t.equal(body['version'], 21);
  await until('stock', () => stock.applied.get(saleId)?.version === 21);
  t.match(stock.applied.get(saleId), { items: [{ total: 160 }, { total: 5 }] });
  const { rows } = await pool.query(`SELECT total, sold FROM ledger WHERE sku = 'orange'`);
  t.same(rows, [{ total: '160', sold: '100' }]);
  t.same(await findLedgerMismatches(pool), []);
});

await test('a restock that cannot be made is refused, and changes nothing', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const service = await createService(t, pool, stock.url);
  const saleId = await createSale(service);
  t.equal((await restock(service, saleId, { key: 'before', quantity: 1 })).status, 200);
  const table: [string, Parameters<typeof restock>[2], number, object][] = [
    ['no key', { key: undefined }, 400, { field: 'idempotency-key' }],
    ['a key with a space', { key: 'a b' }, 400, { field: 'idempotency-key' }],
    ['an unknown SKU', { key: 'a', sku: 'pear' }, 404, { code: 'sku_not_found', sku: 'pear' }],
    ['no SKU', { key: 'a', sku: '-' }, 400, { field: 'sku' }],
    ['nothing', { key: 'a', quantity: 0 }, 400, { field: 'quantity' }],
    ['half a unit', { key: 'a', quantity: 0.5 }, 400, { field: 'quantity' }],
    ['text', { key: 'a', quantity: '5' }, 400, { field: 'quantity' }],
    ['too much', { key: 'a', quantity: LIMITS.totalMax - 100 }, 400, { field: 'quantity' }],
  ];
  for (const [name, options, status, body] of table) {
    t.match(await restock(service, saleId, options), { status, body }, name);
  }
  t.match(await restock(service, 'nowhere', { key: 'a' }), { status: 404, body: { code: 'sale_not_found' } });
  t.equal(
    (await restock(service, saleId, { key: 'a', quantity: LIMITS.totalMax - 101 })).status,
    200,
    'a refused key is free, and the highest total is allowed',
  );

  t.equal((await service.call('POST', `/v1/sales/${saleId}/close`)).status, 200);
  const gone = { status: 410, body: { code: 'sale_closed' } };
  t.match(await restock(service, saleId, { key: 'late' }), gone, 'closed by hand');
  t.equal((await restock(service, saleId, { key: 'before', quantity: 1 })).status, 200, 'a repeat stays one');
  const over = await createSale(service);
  await pool.query(
    `UPDATE sales SET opens_at = now() - interval '2 s', closes_at = now() - interval '1 s' WHERE id = $1`,
    [over],
  );
  t.match(await restock(service, over, { key: 'late' }), gone, 'closed by its time');
  t.equal(totalOf((await service.call('GET', `/v1/sales/${over}`)).body), 100);
});

await test('stock away: 503, and the units arrive later, once', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const service = await createService(t, pool, stock.url);
  const saleId = await createSale(service);
  stock.answer = 503;
  t.match(await restock(service, saleId, { key: 'k', quantity: 1 }), {
    status: 503,
    body: { code: 'outcome_unknown' },
  });
  stock.answer = undefined;
  // The next attempt may be 5 s away, which is also all that a caller waits.
  await until('the units', () => stock.applied.get(saleId)?.version === 2);
  t.equal(totalOf((await restock(service, saleId, { key: 'k', quantity: 1 })).body), 101);
  t.equal(stock.applied.get(saleId)?.version, 2);
});
