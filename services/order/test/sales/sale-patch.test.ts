// Goal: a sale is changed as far as nobody goes by it any more; the rest is refused with its field.
// Method: the `http` role over a real Postgres; support/stock.ts stands in for stock over real HTTP.
import { LIMITS, type SaleInput, type SaleRecord } from '@seckill/contracts';
import { test, type Test } from 'tap';
import { LedgerReader } from '../../src/audit/ledger-reading.ts';
import { createDatabase } from '../support/database.ts';
import { buildIntake, makeContext } from '../support/build.ts';
import { makeReservation, makeSaleInput, raiseEpoch, readOrders, toBatch } from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

const CHANNELS: NonNullable<SaleInput['channels']> = [
  { id: 'xingfu-li', kind: 'community', title: '幸福里', partnerId: 'p-7', pickupPointId: 's-3', cap: 30 },
  { id: 'xhs', kind: 'content', title: '小红书' },
];

async function build(t: Test, changes: Partial<SaleInput> = {}) {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  const input = makeSaleInput({ channels: CHANNELS, limitPerBuyer: 3, ...changes });
  const created = await call('POST', '/v1/sales', { body: input });
  t.equal(created.status, 201);
  const saleId = input.id ?? '';
  const patch = (body: object, headers: Record<string, string> = {}) =>
    call('PATCH', `/v1/sales/${saleId}`, { body, headers });
  const read = async () => (await call('GET', `/v1/sales/${saleId}`)).body as unknown as SaleRecord;
  return { pool, stock, call, saleId, input, patch, read };
}

await test('title, closing, hold, limit and channels of an open sale; stock has them when it is told', async (t) => {
  const { pool, stock, saleId, call, input, patch, read } = await build(t);
  const channels = [
    { ...CHANNELS[0], title: '幸福里二期', cap: 10 },
    { id: 'store-9', kind: 'store', title: 'Store 9', cap: 5 },
  ];
  const wanted = {
    title: '脐橙',
    metadata: { farm: 7 },
    closesAt: '2098-06-01T08:00:00+08:00',
    holdSeconds: 60,
    limitPerBuyer: 2,
  };
  const answer = await patch({ ...wanted, channels, reason: 'sold slowly' }, { 'if-match': '"1"' });
  t.match(answer, { status: 200, body: { version: 2, acknowledged: true } });
  const { definition } = answer.body as unknown as SaleRecord;
  t.match(definition, { ...wanted, closesAt: '2098-06-01T00:00:00.000Z', items: input.items });
  t.same(definition.channels, [channels[0], CHANNELS[1], channels[1]], 'what is not named stays');
  t.match(stock.applied.get(saleId), {
    version: 2,
    closesAt: Date.parse(wanted.closesAt),
    holdMs: 60_000,
    limitPerBuyer: 2,
    channels: [{ id: 'xingfu-li', cap: 10 }, { id: 'xhs' }, { id: 'store-9', cap: 5 }],
  });
  const { rows } = await pool.query<{ closes_at: Date }>('SELECT closes_at FROM sales');
  t.equal(rows[0]?.closes_at.toISOString(), definition.closesAt);
  const repeat = await patch({ ...wanted, channels }, { 'if-match': '"1"' });
  t.match(repeat, { status: 200, body: { version: 2 } }, 'a repeat finds its own change');
  t.match(await patch({ title: 'x' }, { 'if-match': '"1"' }), { status: 412, body: { version: 2 } });
  t.match(await patch({}), { status: 200, body: { version: 2 } }, 'nothing is named, nothing changes');
  const unlimited = (await patch({ limitPerBuyer: null })).body as unknown as SaleRecord;
  t.notOk('limitPerBuyer' in unlimited.definition);
  t.equal(stock.applied.get(saleId)?.limitPerBuyer, undefined);
  t.equal((await call('POST', '/v1/sales', { body: input })).status, 200, 'the creation is still its repeat');
  t.equal((await read()).version, 3);
  const { body } = await call('GET', `/v1/sales/${saleId}/changes`);
  t.match((body as { data: object[] }).data[1], {
    reason: 'sold slowly',
    before: { title: input.title, holdSeconds: 900, limitPerBuyer: 3, channels: [CHANNELS[0]] },
    after: { ...wanted, closesAt: definition.closesAt, channels },
  });
});

await test('the opening moves until the sale has opened', async (t) => {
  const scheduled = await build(t, { opensAt: '2098-01-01T00:00:00Z' });
  const later = await scheduled.patch({ opensAt: '2098-02-01T00:00:00Z' });
  t.equal(later.status, 200);
  t.equal(scheduled.stock.applied.get(scheduled.saleId)?.opensAt, Date.parse('2098-02-01T00:00:00Z'));
  t.equal((await scheduled.patch({ opensAt: '2020-01-01T00:00:00Z' })).status, 200, 'earlier: open now');
  const fixed = { status: 409, body: { code: 'not_changeable', field: 'opensAt', retryable: false } };
  t.match(await scheduled.patch({ opensAt: '2098-02-01T00:00:00Z' }), fixed);
  t.equal((await scheduled.patch({ opensAt: '2020-01-01T00:00:00Z' })).status, 200, 'what is so already');
});

await test('a field that cannot be changed is refused by its name, and nothing of the patch is made', async (t) => {
  const { patch, read, call, pool, saleId } = await build(t);
  const first = CHANNELS[0] ?? {};
  const many = Array.from({ length: LIMITS.channelsMax - 1 }, (_, index) => ({
    id: `c-${index}`,
    kind: 'store',
    title: 'S',
  }));
  const table: [object, number, string][] = [
    [{ channels: [{ ...first, kind: 'store' }] }, 409, 'channels.0.kind'],
    [{ channels: [{ ...first, partnerId: 'p-8' }] }, 409, 'channels.0.partnerId'],
    [
      { channels: [{ id: 'xhs', kind: 'content', title: 'x', pickupPointId: 's' }] },
      409,
      'channels.0.pickupPointId',
    ],
    [{ channels: [first, first] }, 400, 'channels.1.id'],
    [{ channels: many }, 400, 'channels'],
    [{ closesAt: '2020-01-01T00:00:00Z' }, 400, 'closesAt'],
    [{ closesAt: '2098-02-30T00:00:00Z' }, 400, 'closesAt'],
    [{ metadata: { a: 'x'.repeat(2_100) } }, 400, 'metadata'],
    [{ channels: [{ ...first, metadata: { a: 'x'.repeat(2_100) } }] }, 400, 'channels.0.metadata'],
    [{ title: '' }, 400, 'title'],
    [{ title: null }, 400, 'title'],
    [{ limitPerBuyer: 0 }, 400, 'limitPerBuyer'],
    [{ holdSeconds: 0 }, 400, 'holdSeconds'],
    [{ items: [] }, 400, 'items'],
    [{ id: 'other' }, 400, 'id'],
    [{ state: 'paused' }, 400, 'state'],
  ];
  for (const [body, status, field] of table) {
    const answer = await patch({ title: 'not made', ...body });
    t.match(answer, { status, body: { field } }, `${field} ${JSON.stringify(body).slice(0, 60)}`);
  }
  t.match(await read(), { version: 1, definition: { title: '赣南脐橙 5kg' } });
  t.match(await patch({ title: 'late' }, { 'x-deadline': '1' }), {
    status: 503,
    body: { code: 'overloaded' },
  });
  t.equal((await read()).version, 1);
  await pool.query(
    `UPDATE sales SET opens_at = now() - interval '2 s', closes_at = now() - interval '1 s',
       definition = jsonb_set(definition, '{closesAt}', '"2020-01-01T00:00:00.000Z"') WHERE id = $1`,
    [saleId],
  );
  const gone = { status: 410, body: { code: 'sale_closed' } };
  t.match(await patch({ closesAt: '2098-01-01T00:00:00Z' }), gone, 'over: it was told to be final');
  const closed = await build(t);
  t.equal((await closed.call('POST', `/v1/sales/${closed.saleId}/close`)).status, 200);
  t.match(await closed.patch({ title: 'x' }), gone, 'closed by hand');
  t.equal((await call('PATCH', '/v1/sales/nowhere', { body: {} })).status, 404);
});

await test('orders that come late are judged by the loosest limit of their time, not by the lowered one (D57)', async (t) => {
  const { pool, saleId, patch } = await build(t);
  const cap = (units: number) => ({ channels: [{ ...CHANNELS[0], cap: units }] });
  const order = (userId: string, sequence: number) =>
    makeReservation(saleId, {
      userId,
      sequence,
      channelId: 'xingfu-li',
      lines: [{ sku: 'orange', quantity: 3, price: 2_990 }],
    });
  const late = [order('u1', 1), order('u2', 2), order('u2', 3)];
  t.equal((await patch({ limitPerBuyer: 1, ...cap(1) })).status, 200);
  await raiseEpoch(pool, saleId, 2);
  const { intake } = buildIntake(pool);
  await intake.handleBatch(toBatch(late), makeContext().context);
  t.match(
    await readOrders(pool),
    [{ status: 'pending' }, { status: 'pending' }, { status: 'refused', refusal: 'limit' }],
    'two took what they were promised; the second order of one of them never fitted',
  );
});

await test('a buyer who had more before a limit was lowered breaks no invariant, and nobody is refused late', async (t) => {
  const { pool, saleId, patch } = await build(t);
  await pool.query('UPDATE sales SET epoch = 1, opened_epoch = 1');
  await pool.query('UPDATE ledger SET epoch = 1');
  const { intake } = buildIntake(pool);
  const order = makeReservation(saleId, {
    userId: 'u1',
    channelId: 'xingfu-li',
    lines: [{ sku: 'orange', quantity: 3, price: 2_990 }],
  });
  await intake.handleBatch(toBatch([order]), makeContext().context);
  const judge = async () => {
    const { overLimit, overCap } = await new LedgerReader(pool, { graceMs: 500 }).read(saleId);
    return { overLimit, overCap };
  };
  const within = { overLimit: 0, overCap: 0 };
  t.same(await judge(), within);
  const cap = (units: number) => ({ channels: [{ ...CHANNELS[0], cap: units }] });
  t.equal((await patch({ limitPerBuyer: 1, ...cap(1) })).status, 200);
  t.same(await judge(), within, 'INV-6: they took it under the limit of then');
  t.equal((await patch({ limitPerBuyer: 2, ...cap(2) })).status, 200);
  t.same(await judge(), within, 'the loosest limit counts, not the last one');
  await pool.query(`UPDATE orders SET lines = '[{"sku":"orange","quantity":31,"price":2990}]'`);
  t.same(await judge(), { overLimit: 1, overCap: 1 }, 'more than was ever allowed is found');
});
