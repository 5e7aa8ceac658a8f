// Goal: what operators take out of an item is decided once, by what Redis had available, on both sides by the
// same units; whatever comes between Redis' word and the ledger makes it be decided anew.
// Method: the `http` role over a real Postgres; support/stock.ts stands in for stock over real HTTP. Where
// the moment matters, the store is called with the word of stock itself.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlAcknowledgement, SaleChangePage, SaleRecord } from '@seckill/contracts';
import { test, type Test } from 'tap';
import { openEpoch } from '../../src/recovery/open-epoch.ts';
import { takeSnapshot } from '../../src/recovery/snapshots.ts';
import { decideAdjustments, readTaken, storeAdjustment } from '../../src/sales/adjustment-store.ts';
import { controlStateOf, defineSale } from '../../src/sales/sale-definition.ts';
import { SaleStore, type StoredSale } from '../../src/sales/sale-store.ts';
import { createDatabase } from '../support/database.ts';
import { makeSaleInput } from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock, TOKENS } from '../support/stock.ts';

async function build(t: Test) {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  const created = await call('POST', '/v1/sales', { body: makeSaleInput(), userId: 'ana' });
  if (created.status !== 201) throw new Error(JSON.stringify(created));
  const { definition } = created.body as unknown as SaleRecord;
  const path = `/v1/sales/${definition.id}`;
  const adjust = (quantity: number, key: string, headers: Record<string, string> = {}, sku = 'orange') =>
    call('POST', `${path}/items/${sku}/adjust`, {
      body: { quantity, reason: 'spoilt' },
      userId: 'ben',
      headers: { 'idempotency-key': key, ...headers },
    });
  const ledger = async () =>
    Number((await pool.query<{ total: string }>('SELECT total FROM ledger')).rows[0]?.total);
  return { pool, stock, call, adjust, ledger, path, saleId: definition.id, store: new SaleStore(pool) };
}

await test('it takes what is available on both sides, once for each key', async (t) => {
  const { stock, call, adjust, ledger, path, saleId } = await build(t);
  const first = await adjust(-12, 'k1', { 'if-match': '"1"' });
  t.match(first, { status: 200, body: { adjusted: -12, record: { version: 3, acknowledged: true } } });
  t.match(first.body['record'], { definition: { items: [{ sku: 'orange', total: 88 }] } });
  t.equal(await ledger(), 88);
  t.match(stock.applied.get(saleId), { version: 3, items: [{ sku: 'orange', total: 88 }] });
  t.notOk(stock.applied.get(saleId)?.items.some((item) => 'adjustment' in item));
  stock.available.set('orange', 9);
  t.match(await adjust(-12, 'k2'), { status: 200, body: { adjusted: -9, record: { version: 5 } } });
  stock.available.set('orange', 0);
  const none = await adjust(-1, 'k3');
  t.match(none, { status: 200, body: { adjusted: 0 } });
  t.notOk(Object.is(none.body['adjusted'], -0));
  t.equal(await ledger(), 79);
  t.match(
    await adjust(-12, 'k1', { 'if-match': '"1"' }),
    { status: 200, body: { adjusted: -12 } },
    'a repeat',
  );
  t.match(await adjust(-13, 'k1'), { status: 422, body: { code: 'key_reused' } });
  t.match(await adjust(-1, 'k4', { 'if-match': '"1"' }), { status: 412, body: { version: 7 } });
  t.match(await adjust(-1, 'k4', { 'x-deadline': '1' }), { status: 503, body: { code: 'overloaded' } });
  t.match(await adjust(-1, 'k4', {}, 'pear'), { status: 404, body: { code: 'sku_not_found', sku: 'pear' } });
  for (const quantity of [0, 5]) {
    t.match(await adjust(quantity, 'k5'), { status: 400, body: { field: 'quantity', detail: /restock/ } });
  }
  const { data } = (await call('GET', `${path}/changes`)).body as unknown as SaleChangePage;
  t.match(data.slice(0, 3), [
    { action: 'adjust', by: 'ben', reason: 'spoilt', after: { total: 79, asked: -1 }, version: 7 },
    { action: 'adjust', before: { total: 88 }, after: { sku: 'orange', total: 79, asked: -12 }, version: 5 },
    { action: 'adjust', before: { sku: 'orange', total: 100 }, after: { total: 88, asked: -12 }, version: 3 },
  ]);
  t.equal((await call('POST', `${path}/close`)).status, 200);
  t.match(await adjust(-1, 'k6'), { status: 410 });
  t.match(await adjust(-12, 'k2'), { status: 200, body: { adjusted: -9 } }, 'a repeat after the close');
});

await test('an item has one undecided adjustment at a time, and what else is decided meanwhile counts', async (t) => {
  const { stock, call, adjust, ledger, path } = await build(t);
  stock.answer = 503;
  const waiting = adjust(-10, 'k1');
  while (!stock.seen.some(({ items }) => items[0]?.adjustment !== undefined)) await sleep(10);
  t.match(await adjust(-5, 'k2'), { status: 503, body: { code: 'overloaded', detail: /not decided/ } });
  const restocking = call('POST', `${path}/items/orange/restock`, {
    body: { quantity: 50 },
    headers: { 'idempotency-key': 'r' },
  });
  await sleep(50);
  stock.answer = undefined;
  t.match(await waiting, { status: 200, body: { adjusted: -10 } });
  t.equal((await restocking).status, 200);
  t.equal(await ledger(), 140);
  t.match(await adjust(-5, 'k2'), { status: 200, body: { adjusted: -5 } });
  t.equal(await ledger(), 135);
});

await test('order that dies after Redis has taken the units hears of the same units again', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const store = new SaleStore(pool);
  const first = await createService(t, pool, stock.url);
  const { definition } = (await first.call('POST', '/v1/sales', { body: makeSaleInput() }))
    .body as unknown as SaleRecord;
  const saleId = definition.id;
  await pool.query('UPDATE sales SET retired_at = now()');
  await storeAdjustment(pool, { saleId, sku: 'orange', quantity: 7, idempotencyKey: 'k' });
  const sent = await store.read(saleId);
  if (sent === undefined) throw new Error('it is stored');
  const response = await fetch(`${stock.url}/internal/sales/${saleId}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${TOKENS.order}` },
    body: JSON.stringify(controlStateOf(sent)),
  });
  t.match(await response.json(), { version: 2, adjusted: [{ taken: 7 }] });
  stock.available.set('orange', 0);
  t.equal(await readTaken(pool, { saleId, idempotencyKey: 'k' }), undefined);
  await pool.query('UPDATE sales SET retired_at = NULL');
  while ((await readTaken(pool, { saleId, idempotencyKey: 'k' })) === undefined) await sleep(20);
  t.equal(await readTaken(pool, { saleId, idempotencyKey: 'k' }), 7);
  const { rows } = await pool.query('SELECT total FROM ledger');
  t.same(rows, [{ total: '93' }]);
});

/** Makes a sale with an adjustment of 5, which only this test sends to stock. */
async function buildUnsent(t: Test) {
  const { pool } = await createDatabase(t);
  const store = new SaleStore(pool);
  const input = makeSaleInput();
  const saleId = input.id ?? '';
  const definition = defineSale(
    saleId,
    { ...input, holdSeconds: 60 },
    Date.parse('2026-01-01T00:00:00.000Z'),
  );
  await store.insert({ definition, fingerprint: 'x', lanes: 1 });
  const open = async (epoch: number) =>
    openEpoch(pool, saleId, { lane: 0, epoch, sequence: 0, version: 9 }, true);
  await takeSnapshot(pool, saleId, { above: 0, isDrained: true });
  t.match(await open(1), { granted: true });
  const adjustment = { saleId, sku: 'orange', quantity: 5, idempotencyKey: 'k' };
  t.equal(await storeAdjustment(pool, adjustment), 'stored');
  const read = async (): Promise<StoredSale> => {
    const sale = await store.read(saleId);
    if (sale === undefined) throw new Error('it is stored');
    return sale;
  };
  /** What stock would answer to the control state as it was sent. */
  const word = (sent: StoredSale, epoch = 1): ControlAcknowledgement => ({
    saleId,
    version: sent.version,
    epoch,
    adjusted: sent.adjustments.map(({ id }) => ({ id, taken: 5 })),
  });
  const taken = () => readTaken(pool, adjustment);
  return { pool, read, word, taken, open, saleId };
}

const BETWEEN: Record<string, (built: Awaited<ReturnType<typeof buildUnsent>>) => Promise<unknown>> = {
  'a rebuild began': ({ pool, saleId }) => takeSnapshot(pool, saleId, { above: 0, isDrained: true }),
  'the lane was opened again': ({ open }) => open(1),
  'the ledger sold the units': ({ pool }) => pool.query('UPDATE ledger SET sold = 96'),
};

for (const [what, happen] of Object.entries(BETWEEN)) {
  await test(`${what} between Redis' word and the ledger: nothing is lowered, and it is decided anew`, async (t) => {
    const built = await buildUnsent(t);
    const { pool, read, word, taken } = built;
    const sent = await read();
    await happen(built);
    await decideAdjustments(pool, sent, word(sent));
    t.equal(await taken(), undefined);
    const again = await read();
    t.match(again, { version: sent.version + 1, acknowledgedVersion: sent.version });
    t.equal(again.definition.items[0]?.total, 100);
    t.same(again.adjustments, sent.adjustments, 'under the same id');
    t.same((await new SaleStore(pool).listDue(9, [])).length, 1, 'the control sync goes on');
  });
}

await test("stock's word counts once, and only when it names the adjustment", async (t) => {
  const { pool, read, word, taken } = await buildUnsent(t);
  const sent = await read();
  await decideAdjustments(pool, sent, { ...word(sent), adjusted: [] });
  t.equal(await taken(), undefined, 'the lane was loaded anew, and has not taken it');
  const second = await read();
  t.equal(second.version, sent.version + 1);
  await Promise.all(Array.from({ length: 5 }, () => decideAdjustments(pool, second, word(second))));
  t.equal(await taken(), 5);
  const after = await read();
  t.match(after, { version: second.version + 1, adjustments: [] });
  t.equal(after.definition.items[0]?.total, 95);
});
