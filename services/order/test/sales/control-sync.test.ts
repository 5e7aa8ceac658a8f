// Goal: every control state reaches stock, whatever was down meanwhile, and only stock's own word counts.
// Method: the `http` role over a real Postgres; support/stock.ts stands in for stock over real HTTP.
import { test } from 'tap';
import { defineSale } from '../../src/sales/sale-definition.ts';
import { SaleStore } from '../../src/sales/sale-store.ts';
import { createDatabase } from '../support/database.ts';
import { until } from '../support/build.ts';
import { makeSaleInput } from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

await test('stock away: 503, and the control state is sent as soon as stock is back', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  await stock.down();
  const input = makeSaleInput();
  const id = input.id ?? '';
  const startedAt = performance.now();
  const refused = await call('POST', '/v1/sales', { body: input });
  t.match(refused, { status: 503, body: { code: 'outcome_unknown', retryable: true } });
  const seconds = (performance.now() - startedAt) / 1_000;
  t.ok(seconds > 4.5 && seconds < 6, `after the 5 s of the contract (${seconds})`);
  t.match((await call('GET', `/v1/sales/${id}`)).body, { acknowledged: false, version: 1 }, 'it is stored');
  await stock.up();
  t.match(await call('POST', '/v1/sales', { body: input }), { status: 200, body: { acknowledged: true } });
  t.equal(stock.applied.get(id)?.version, 1);
});

await test('an answer that is no acknowledgement is not taken for one', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  const input = makeSaleInput();
  for (const status of [503, 500, 400]) {
    stock.answer = status;
    const creating = call('POST', '/v1/sales', { body: input });
    const tries = stock.seen.length;
    await until('a call', () => stock.seen.length > tries);
    await sleep(30);
    t.match((await call('GET', `/v1/sales/${input.id ?? ''}`)).body, { acknowledged: false }, String(status));
    stock.answer = undefined;
    t.equal((await creating).body['acknowledged'], true, 'and it is tried again');
    await pool.query('UPDATE sales SET acknowledged_version = 0');
  }
});

await test('a sale that fails does not hold up the others', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  // Six sales that stock does not acknowledge (stock is busy with each for longer than a call may take), then
  // one more.
  const store = new SaleStore(pool);
  stock.answer = 503;
  for (let index = 0; index < 6; index += 1) {
    const input = makeSaleInput({ id: `a-${index}` });
    const definition = defineSale(`a-${index}`, input, Date.parse('2026-01-01T00:00:00.000Z'));
    await store.insert({ definition, fingerprint: 'x', lanes: 1 });
  }
  await until('all six were tried', () => new Set(stock.seen.map(({ saleId }) => saleId)).size === 6);
  stock.answer = undefined;
  const { status } = await call('POST', '/v1/sales', { body: makeSaleInput({ id: 'zz' }) });
  t.equal(status, 201);
  await until('the others follow', () => stock.applied.size === 7);
});
