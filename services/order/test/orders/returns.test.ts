// Goal: units of a paid order come back once, in parts until nothing is left, with the money for them, in one
// transaction of order, ledger, settlement and trail.
// Method: orders stored by the real intake and paid by real notices; operators call as the gateway does, one
// after the other and at once.
import {
  parseSnapshotOrders,
  type Order,
  type RefundPage,
  type ReservationSettled,
} from '@seckill/contracts';
import type { Pool } from '@seckill/runtime';
import { test, type Test } from 'tap';
import { LedgerReader } from '../../src/audit/ledger-reading.ts';
import { readPage, readReturned } from '../../src/recovery/snapshots.ts';
import { createOutboxStore } from '../../src/relay/outbox.ts';
import { buildEnds } from '../support/build.ts';
import { createDatabase } from '../support/database.ts';
import {
  findLedgerMismatches,
  makeNotice,
  readSold,
  storeOrders,
  storeSale,
} from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

const LINES = [
  { sku: 'orange', quantity: 3, price: 100 },
  { sku: 'mango', quantity: 2, price: 30 },
];

async function build(t: Test) {
  const { pool } = await createDatabase(t);
  const service = await createService(t, pool, (await createStock(t)).url);
  const saleId = await storeSale(pool, { orange: 10, mango: 10 }, { limitPerBuyer: 5 });
  const [order] = await storeOrders(pool, saleId, [{ userId: 'u1', lines: LINES }]);
  const orderId = order?.reservationId ?? '';
  const amount = { amount: 360, currency: 'CNY' };
  await buildEnds(pool).payments.accept(makeNotice(orderId, { amount }));
  const back = (key: string, lines: [string, number][], restock = true, userId = 'op') =>
    service.call('POST', `/v1/sales/${saleId}/orders/${orderId}/returns`, {
      userId,
      headers: { 'idempotency-key': key },
      body: { lines: lines.map(([sku, quantity]) => ({ sku, quantity })), restock, reason: 'spoilt' },
    });
  return { ...service, pool, saleId, orderId, back };
}

async function readSettled(pool: Pool): Promise<ReservationSettled[]> {
  const { rows } = await pool.query<{ value: string }>('SELECT value FROM outbox ORDER BY id');
  return rows.map(({ value }) => JSON.parse(value) as ReservationSettled);
}

await test('parts of an order come back until nothing is left', async (t) => {
  const { pool, saleId, orderId, back, call } = await build(t);
  const first = await back('k1', [['orange', 1]]);
  t.match(first, { status: 200, body: { status: 'paid', refundDue: { amount: 100, currency: 'CNY' } } });
  t.equal(await readSold(pool, saleId), 2, 'for sale again');
  const second = await back(
    'k2',
    [
      ['orange', 1],
      ['mango', 2],
    ],
    false,
  );
  t.match(second, { status: 200, body: { refundDue: { amount: 260 } } });
  t.equal(await readSold(pool, saleId), 2, 'written off');
  const { returned } = second.body as unknown as Order;
  t.same(
    returned?.map(({ at: _at, ...line }) => line),
    [
      { sku: 'orange', quantity: 1, restocked: true },
      { sku: 'orange', quantity: 1, restocked: false },
      { sku: 'mango', quantity: 2, restocked: false },
    ],
  );
  const tooMany = { code: 'nothing_to_return', sku: 'orange', left: 1 };
  t.match(await back('k3', [['orange', 2]]), { status: 409, body: tooMany });
  t.match(await back('k3', [['orange', 1]]), { status: 200, body: { refundDue: { amount: 360 } } });
  t.match(await back('k4', [['orange', 1]]), { status: 409, body: { ...tooMany, left: 0 } });
  t.match(await back('k4', [['pear', 1]]), { status: 409, body: { ...tooMany, sku: 'pear', left: 0 } });
  t.match(
    await back('k4', [
      ['mango', 1],
      ['mango', 1],
    ]),
    { status: 400, body: { field: 'lines.1.sku' } },
  );
  t.same(await findLedgerMismatches(pool), []);

  const settled = (await readSettled(pool)).map(({ verdict, returned: back }) => [verdict, back?.number]);
  t.same(settled, [
    ['paid', undefined],
    ['paid', 1],
    ['paid', 2],
    ['paid', 3],
  ]);
  t.same((await readSettled(pool)).at(-1)?.returned, {
    number: 3,
    lines: [
      { sku: 'orange', returned: 3, restocked: 2 },
      { sku: 'mango', returned: 2, restocked: 0 },
    ],
  });
  const { body } = await call('GET', `/v1/sales/${saleId}/changes?limit=1`);
  t.match(body, {
    data: [{ action: 'return_order', by: 'op', reason: 'spoilt', after: { orderId }, before: { orderId } }],
  });
  const own = await call('GET', `/v1/orders/${orderId}`, { userId: 'u1' });
  t.equal((own.body as unknown as Order).returned?.length, 4, 'the buyer sees it too');
});

await test('a key takes back once, and another body under it is refused', async (t) => {
  const { pool, saleId, back } = await build(t);
  const answers = await Promise.all(
    Array.from({ length: 6 }, () =>
      back('k', [
        ['orange', 2],
        ['mango', 1],
      ]),
    ),
  );
  t.same(
    answers.map(({ status, body }) => [status, (body as unknown as Order).returned?.length]),
    Array(6).fill([200, 2]),
  );
  t.equal(await readSold(pool, saleId), 1);
  t.match(
    await back('k', [
      ['mango', 1],
      ['orange', 2],
    ]),
    { status: 200 },
    'the lines in another order',
  );
  t.match(await back('k', [['orange', 2]]), { status: 422, body: { code: 'key_reused' } });
  t.match(
    await back(
      'k',
      [
        ['orange', 2],
        ['mango', 1],
      ],
      false,
    ),
    { status: 422 },
  );
  t.equal((await readSettled(pool)).length, 2);
});

await test('operators who take the same line back at once get no more than there was', async (t) => {
  const { pool, saleId, back } = await build(t);
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      back(`k${index}`, [['orange', 1]], index % 2 === 0, `op${index}`),
    ),
  );
  t.same(answers.map(({ status }) => status).sort(), [200, 200, 200, 409, 409, 409, 409, 409]);
  const { rows } = await pool.query<{ units: string; due: string }>(
    `SELECT sum((line ->> 'quantity')::int) AS units, sum(DISTINCT number) AS due
     FROM returns, jsonb_array_elements(lines) AS line`,
  );
  t.same(rows, [{ units: '3', due: '6' }], 'three, numbered 1 to 3');
  t.same(await findLedgerMismatches(pool), []);
  t.ok((await readSold(pool, saleId)) <= 3);
});

await test('only what was paid comes back', async (t) => {
  const { pool, saleId, call } = await build(t);
  const [pending] = await storeOrders(pool, saleId, [{}]);
  const path = `/v1/sales/${saleId}/orders/${pending?.reservationId ?? ''}/returns`;
  const body = { lines: [{ sku: 'orange', quantity: 1 }], restock: true };
  const headers = { 'idempotency-key': 'k' };
  t.match(await call('POST', path, { body, headers }), {
    status: 409,
    body: { code: 'nothing_to_return', orderStatus: 'pending' },
  });
  t.match(await call('POST', path, { body }), { status: 400 }, 'without a key');
  const nowhere = `/v1/sales/${saleId}/orders/${saleId}.0.abcdefghijklmnopqrstuv/returns`;
  t.match(await call('POST', nowhere, { body, headers }), { status: 404 });
});

await test('the money is listed as a refund and given back once', async (t) => {
  const { pool, saleId, orderId, back, call } = await build(t);
  await back('k1', [['orange', 1]]);
  await back('k2', [['mango', 2]], false);
  const list = async (state: string) =>
    (await call('GET', `/v1/refunds?saleId=${saleId}&state=${state}`)).body as unknown as RefundPage;
  const { data } = await list('due');
  t.same((await createOutboxStore(pool).readBacklog()).dueRefunds, [
    { currency: 'CNY', count: 2, amount: 160 },
  ]);
  t.match(data, [
    { orderId, paymentId: `pay-${orderId}`, amount: { amount: 100 }, reason: 'returned', state: 'due' },
    { orderId, amount: { amount: 60 }, reason: 'returned' },
  ]);
  const paged = await call('GET', `/v1/refunds?saleId=${saleId}&limit=1`);
  const { nextCursor = '' } = paged.body as unknown as RefundPage;
  const next = await call('GET', `/v1/refunds?saleId=${saleId}&limit=1&cursor=${nextCursor}`);
  t.match(next.body, { data: [{ amount: { amount: 60 } }] });
  const done = (reference: string) =>
    call('POST', `/v1/refunds/${data[0]?.id ?? ''}/done`, { body: { reference } });
  t.match(await done('re_1'), {
    status: 200,
    body: { state: 'done', reference: 're_1', reason: 'returned' },
  });
  t.match(await done('re_1'), { status: 200 });
  t.match(await done('re_2'), { status: 409, body: { code: 'refund_done', reference: 're_1' } });
  t.match((await list('done')).data, [{ id: data[0]?.id }]);
  t.match((await list('due')).data, [{ amount: { amount: 60 } }]);
  const own = await call('GET', `/v1/orders/${orderId}`, { userId: 'u1' });
  t.match(own.body, { refundDue: { amount: 60 } });
});

await test('audit, limits and snapshots know what came back', async (t) => {
  const { pool, saleId, orderId, back } = await build(t);
  await back('k1', [['orange', 2]]);
  await back('k2', [['mango', 1]], false);
  const ledger = await new LedgerReader(pool, { graceMs: 500 }).read(saleId);
  t.match(ledger.items, [
    { sku: 'mango', sold: 2, pending: 0, paid: 2 },
    { sku: 'orange', sold: 1, pending: 0, paid: 1 },
  ]);
  t.equal(ledger.overLimit, 0);
  // u1 still has two units of a limit of five. Three more are within the limit, four are not.
  await pool.query('UPDATE ledger SET late_epoch = epoch WHERE sale_id = $1', [saleId]);
  const oranges = (quantity: number) => ({ userId: 'u1', lines: [{ sku: 'orange', quantity, price: 100 }] });
  await storeOrders(pool, saleId, [oranges(4)]);
  await storeOrders(pool, saleId, [oranges(3)]);
  const { rows } = await pool.query('SELECT status FROM orders ORDER BY sequence');
  t.same(
    rows.map(({ status }: { status: string }) => status),
    ['paid', 'refused', 'pending'],
  );
  const returned = {
    number: 2,
    lines: [
      { sku: 'orange', returned: 2, restocked: 2 },
      { sku: 'mango', returned: 1, restocked: 0 },
    ],
  };
  const page = JSON.parse((await readPage(pool, saleId, '0.0.0')).json) as { orders: string };
  t.match(parseSnapshotOrders(page.orders)[0], { reservationId: orderId, status: 'paid', returned });
  t.same(await readReturned(pool, saleId), {
    ended: [{ reservationId: orderId, verdict: 'paid', returned }],
  });
  t.same(await readReturned(pool, saleId, orderId), { ended: [] });
});

await test('what is stored and contradicts a return is refused, and the process goes on', async (t) => {
  const { pool, back, saleId } = await build(t);
  await pool.query(`UPDATE ledger SET sold = 0 WHERE sku = 'orange'`);
  const refused = { status: 500, body: { code: 'internal' } };
  t.match(await back('k1', [['orange', 1]]), refused);
  await pool.query(`UPDATE ledger SET sold = 3 WHERE sku = 'orange'`);
  await pool.query(`UPDATE payments SET result = 'recorded'`);
  t.match(await back('k2', [['mango', 1]]), refused);
  t.equal(await readSold(pool, saleId), 3, 'nothing was taken back');
  await pool.query(`UPDATE payments SET result = 'paid'`);
  t.match(await back('k1', [['orange', 1]]), { status: 200 });
});

await test('what changes an order late changes nothing, also when the lock of the order took its time', async (t) => {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url);
  const saleId = await storeSale(pool, { orange: 10, mango: 10 }, { limitPerBuyer: 5 });
  const now = async () => ((await call('GET', '/v1/clock')).body as unknown as { now: number }).now;
  const store = async () => {
    const [order] = await storeOrders(pool, saleId, [{ userId: 'u1', lines: LINES }]);
    return order?.reservationId ?? '';
  };
  const pay = async (orderId: string) => {
    await buildEnds(pool).payments.accept(makeNotice(orderId, { amount: { amount: 360, currency: 'CNY' } }));
  };
  const codeOf = async (orderId: string) =>
    String((await call('GET', `/v1/orders/${orderId}`, { userId: 'u1' })).body['pickupCode']);
  const reason = 'asked by phone';
  const back = { lines: [{ sku: 'orange', quantity: 1 }], restock: true };
  const operator = (orderId: string) => `/v1/sales/${saleId}/orders/${orderId}`;
  const changes: Record<string, { isPaid?: boolean; path: (id: string) => string; body?: object }> = {
    cancel: { path: (id) => `/v1/orders/${id}/cancel` },
    pay: { path: (id) => `/v1/orders/${id}/pay` },
    'cancel as an operator': { path: (id) => `${operator(id)}/cancel`, body: { reason } },
    return: { isPaid: true, path: (id) => `${operator(id)}/returns`, body: back },
    'hand out': { isPaid: true, path: () => '/v1/pickups', body: {} },
  };
  const late = { status: 503, body: { code: 'overloaded' } };
  for (const [name, { isPaid = false, path, body }] of Object.entries(changes)) {
    const id = await store();
    if (isPaid) await pay(id);
    const code = isPaid ? await codeOf(id) : '';
    const send = async (deadline: number) =>
      call('POST', path(id), {
        userId: name.includes('operator') || isPaid ? 'op' : 'u1',
        headers: { 'x-deadline': String(deadline), 'idempotency-key': 'k' },
        ...(body === undefined ? {} : { body: name === 'hand out' ? { saleId, code } : body }),
      });
    const read = async () => (await pool.query<object>('SELECT * FROM orders WHERE id = $1', [id])).rows;
    const before = await read();
    t.match(await send((await now()) - 1), late, name);
    const client = await pool.connect();
    await client.query('BEGIN');
    await client.query('SELECT FROM orders WHERE id = $1 FOR UPDATE', [id]);
    const answer = send((await now()) + 200);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await client.query('COMMIT');
    client.release();
    t.match(await answer, late, `${name}: after the lock`);
    t.same(await read(), before, `${name}: nothing changed`);
    t.match(await send((await now()) + 5_000), { status: 200 }, `${name}: in time`);
  }
  const refunds = (await call('GET', '/v1/refunds')).body as unknown as RefundPage;
  const done = (deadline: number) =>
    call('POST', `/v1/refunds/${refunds.data[0]?.id}/done`, {
      body: { reference: 'bank-1' },
      headers: { 'x-deadline': String(deadline) },
    });
  t.match(await done((await now()) - 1), late, 'a refund');
  t.match(await done((await now()) + 5_000), { status: 200, body: { state: 'done' } });
});
