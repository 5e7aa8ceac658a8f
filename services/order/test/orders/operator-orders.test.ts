// Goal: operators find every order of a sale, by each filter and page by page, with its buyer and payments;
// they cancel with a reason, once, and the audit trail tells who and why.
// Method: rows stored by the real intake, asked over HTTP as the gateway asks.
import type { Order, OrderPage, ReservationCreated } from '@seckill/contracts';
import { test } from 'tap';
import { buildEnds } from '../support/build.ts';
import { createDatabase } from '../support/database.ts';
import { makeNotice, readSold, readVerdicts, storeOrders, storeSale } from '../support/reservations.ts';
import { createService, type Service } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

const asPage = (body: unknown) => body as OrderPage;

/** Reads all ids, page by page. */
async function listAll(call: Service['call'], saleId: string, query = '', limit = 3): Promise<string[]> {
  return listPages(call, `/v1/sales/${saleId}/orders`, query, limit);
}

async function listPages(call: Service['call'], path: string, query: string, limit = 3): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = `limit=${limit}${cursor === undefined ? '' : `&cursor=${cursor}`}`;
    const { status, body } = await call('GET', `${path}?${page}${query}`);
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
    if (asPage(body).data.length > limit) throw new Error('a page is longer than its limit');
    ids.push(...asPage(body).data.map(({ id }) => id));
    cursor = asPage(body).nextCursor;
  } while (cursor !== undefined);
  return ids;
}

await test('every order is listed once, by each filter, newest first', async (t) => {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url);
  const channels = [{ id: 'xhs', kind: 'content' as const, title: '小红书' }];
  const saleId = await storeSale(pool, { orange: 100, mango: 100 }, { channels });
  const other = await storeSale(pool, { orange: 100 });
  const mango = [{ sku: 'mango', quantity: 1, price: 100 }];
  const stored = await storeOrders(
    pool,
    saleId,
    Array.from({ length: 20 }, (_, index) => ({
      userId: `buyer-${index % 4}`,
      ...(index % 3 === 0 ? { channelId: 'xhs' } : {}),
      ...(index % 5 === 0 ? { lines: mango } : {}),
    })),
  );
  await storeOrders(pool, other, [{ userId: 'buyer-0' }]);
  const { orders, payments } = buildEnds(pool);
  const newest = [...stored].reverse();
  for (const [index, { reservationId, userId }] of stored.entries()) {
    if (index % 4 === 1) await payments.accept(makeNotice(reservationId));
    if (index % 4 === 2) await orders.cancel(reservationId, userId);
  }
  const idsOf = (isWanted: (index: number) => boolean) =>
    newest.filter((one) => isWanted(stored.indexOf(one))).map(({ reservationId }) => reservationId);

  t.same(
    await listAll(call, saleId),
    idsOf(() => true),
  );
  t.same(
    await listAll(call, saleId, '&status=paid'),
    idsOf((index) => index % 4 === 1),
  );
  t.same(
    await listAll(call, saleId, '&status=cancelled', 100),
    idsOf((index) => index % 4 === 2),
  );
  t.same(
    await listAll(call, saleId, '&userId=buyer-3'),
    idsOf((index) => index % 4 === 3),
  );
  t.same(
    await listAll(call, saleId, '&channelId=xhs'),
    idsOf((index) => index % 3 === 0),
  );
  t.same(
    await listAll(call, saleId, '&channelId=xhs&status=pending'),
    idsOf((index) => index % 3 === 0 && (index % 4 === 0 || index % 4 === 3)),
  );
  t.same(
    await listAll(call, saleId, '&sku=mango', 1),
    idsOf((index) => index % 5 === 0),
  );
  t.same(await listAll(call, saleId, '&sku=mango&status=refused'), []);
  const coded = stored[5]?.reservationId ?? '';
  const code = String((await call('GET', `/v1/sales/${saleId}/orders/${coded}`)).body['pickupCode']);
  t.same(await listAll(call, saleId, `&pickupCode=${code}`), [coded]);
  t.same(await listAll(call, saleId, `&pickupCode=${code}&sku=mango`), [coded], 'filters add up');
  t.same(await listAll(call, saleId, `&pickupCode=${code}&userId=buyer-3`), []);
  t.same(await listAll(call, other, `&pickupCode=${code}`), [], 'a code of another sale');
  t.equal((await call('GET', `/v1/sales/${saleId}/orders?pickupCode=12`)).status, 400);
  const since = new Date(stored[12]?.reservedAt ?? 0).toISOString();
  t.same(
    await listAll(call, saleId, `&since=${since}`),
    idsOf((index) => index >= 12),
  );
  t.same(
    await listAll(call, saleId, `&until=${since}`),
    idsOf((index) => index < 12),
  );
  t.same(await listAll(call, saleId, `&since=${since}&until=${since}`), []);
  for (const query of [
    '',
    '&status=pending',
    '&sku=mango',
    `&since=${since}`,
    `&until=${since}`,
    `&pickupCode=${code}`,
  ]) {
    const newestFirst = await listAll(call, saleId, query);
    t.same(await listAll(call, saleId, `${query}&sort=newest`), newestFirst, query);
    t.same(await listAll(call, saleId, `${query}&sort=oldest`), newestFirst.reverse(), query);
  }
  t.match(await call('GET', `/v1/sales/${saleId}/orders?sort=age`), { status: 400, body: { field: 'sort' } });
});

await test('the orders of a buyer are listed over all sales, as operators see them', async (t) => {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url);
  // A name that means something in a path.
  const userId = 'a/../b?c=d%';
  const path = `/v1/users/${encodeURIComponent(userId)}/orders`;
  const sales = [await storeSale(pool, { orange: 10 }), await storeSale(pool, { orange: 10 })];
  const ids: string[] = [];
  for (const saleId of [...sales, ...sales]) {
    const stored = await storeOrders(pool, saleId, [{ userId }, { userId: 'somebody-else' }]);
    ids.unshift(stored[0]?.reservationId ?? '');
  }
  const { payments } = buildEnds(pool);
  await payments.accept(makeNotice(ids[1] ?? ''));
  t.same(await listPages(call, path, ''), ids);
  t.same(await listPages(call, path, `&saleId=${sales[0] ?? ''}`), [ids[1], ids[3]]);
  t.same(await listPages(call, path, '&status=paid'), [ids[1]]);
  const { body } = await call('GET', `${path}?status=paid`);
  t.match(asPage(body).data, [{ userId, payments: [{ result: 'paid' }] }]);
  t.match(await call('GET', `${path}?cursor=x`), { status: 400, body: { field: 'cursor' } });
  t.match(await call('GET', `${path}?userId=u1`), { status: 400 });
});

await test('a list by item that looks at many orders in vain goes on behind them', async (t) => {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url);
  const saleId = await storeSale(pool, { orange: 10_000, mango: 10 });
  const mango = { lines: [{ sku: 'mango', quantity: 1, price: 100 }] };
  const stored = await storeOrders(pool, saleId, [mango, ...Array.from({ length: 2_600 }, () => ({}))]);
  const first = await call('GET', `/v1/sales/${saleId}/orders?sku=mango`);
  t.same(asPage(first.body).data, []);
  t.type(asPage(first.body).nextCursor, 'string', 'not the end');
  t.same(await listAll(call, saleId, '&sku=mango'), [stored[0]?.reservationId]);
});

await test('an order with a kit is found under the kit and under its parts', async (t) => {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url);
  const saleId = await storeSale(pool, { apple: 100, pear: 100, mango: 100 });
  const line = (sku: string, quantity: number) => ({ sku, quantity, price: 100 });
  const stored = await storeOrders(pool, saleId, [
    { lines: [line('apple', 4), line('pear', 2)], bought: [line('basket', 2)] },
    { lines: [line('apple', 3), line('pear', 1)], bought: [line('basket', 1), line('apple', 1)] },
    { lines: [line('apple', 1)] },
    { lines: [line('mango', 1)] },
  ]);
  const [two, mixed, apple, mango] = stored.map(({ reservationId }) => reservationId);
  for (const [sku, ids] of Object.entries({
    basket: [mixed, two],
    apple: [apple, mixed, two],
    pear: [mixed, two],
    mango: [mango],
    // A word of another name, and one that is part of a name.
    app: [],
  })) {
    t.same(await listAll(call, saleId, `&sku=${sku}`), ids, sku);
    t.same(await listAll(call, saleId, `&sku=${sku}`, 1), ids, `${sku}, one a page`);
  }
  await buildEnds(pool).payments.accept(makeNotice(two ?? '', { amount: { amount: 200, currency: 'CNY' } }));
  const code = String((await call('GET', `/v1/sales/${saleId}/orders/${two}`)).body['pickupCode']);
  for (const [sku, ids] of Object.entries({ basket: [two], pear: [two], mango: [] })) {
    t.same(await listAll(call, saleId, `&pickupCode=${code}&sku=${sku}`), ids, `${sku} of a code`);
  }
});

await test('an operator sees the buyer and every payment', async (t) => {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url);
  const saleId = await storeSale(pool, { orange: 10 });
  const [order] = await storeOrders(pool, saleId, [{ userId: 'u1' }]);
  const { reservationId } = order as ReservationCreated;
  const { payments } = buildEnds(pool);
  await payments.accept(makeNotice(reservationId, { amount: { amount: 99, currency: 'CNY' } }));
  await payments.accept(makeNotice(reservationId));
  await payments.accept(makeNotice(reservationId, { paymentId: 'second' }));
  const { status, body } = await call('GET', `/v1/sales/${saleId}/orders/${reservationId}`);
  t.equal(status, 200);
  const seen = body as unknown as Order;
  t.match(seen, { userId: 'u1', status: 'paid', refundDue: { amount: 199, currency: 'CNY' } });
  t.same(
    seen.payments?.map(({ at: _at, ...payment }) => payment),
    [
      {
        paymentId: `pay-${reservationId}`,
        amount: { amount: 99, currency: 'CNY' },
        result: 'refund_due',
        reason: 'wrong_amount',
      },
      { paymentId: `pay-${reservationId}`, amount: { amount: 100, currency: 'CNY' }, result: 'paid' },
      {
        paymentId: 'second',
        amount: { amount: 100, currency: 'CNY' },
        result: 'refund_due',
        reason: 'second_payment',
      },
    ],
  );
  const own = await call('GET', `/v1/orders/${reservationId}`, { userId: 'u1' });
  t.notOk('payments' in own.body || 'userId' in own.body, 'the buyer sees what buyers see');
  const elsewhere = await storeSale(pool, { orange: 10 });
  t.match(await call('GET', `/v1/sales/${elsewhere}/orders/${reservationId}`), { status: 404 });
  t.match(await call('GET', '/v1/sales/nowhere/orders'), { status: 404, body: { code: 'sale_not_found' } });
  t.match(await call('GET', `/v1/sales/${saleId}/orders?cursor=x`), {
    status: 400,
    body: { field: 'cursor' },
  });
  for (const field of ['since', 'until']) {
    const path = `/v1/sales/${saleId}/orders?${field}=2026-02-31T00:00:00Z`;
    t.match(await call('GET', path), { status: 400, body: { field } });
  }
});

await test('operators who cancel at once cancel once, and the trail tells who and why', async (t) => {
  const { pool } = await createDatabase(t);
  const { call, metrics } = await createService(t, pool, (await createStock(t)).url);
  const saleId = await storeSale(pool, { orange: 10 });
  const stored = await storeOrders(pool, saleId, [{}, {}]);
  const [first, second] = stored.map(({ reservationId }) => reservationId);
  const path = `/v1/sales/${saleId}/orders/${first ?? ''}/cancel`;
  const answers = await Promise.all(
    ['op-1', 'op-2', 'op-3'].map((userId) => call('POST', path, { userId, body: { reason: 'no stock' } })),
  );
  t.same(
    answers.map(({ status, body }) => [status, body['status']]),
    Array(3).fill([200, 'cancelled']),
  );
  t.equal(await readSold(pool, saleId), 1, 'the unit came back once');
  t.same((await readVerdicts(pool)).get(first ?? ''), ['cancelled']);
  t.match(await metrics.ordersEnded.get(), { values: [{ labels: { verdict: 'cancelled' }, value: 1 }] });
  const { body } = await call('GET', `/v1/sales/${saleId}/changes`);
  const trail = (body['data'] as { action: string }[]).filter(({ action }) => action === 'cancel_order');
  t.equal(trail.length, 1);
  t.match(trail[0], {
    by: /^op-[123]$/,
    reason: 'no stock',
    before: { orderId: first, status: 'pending' },
    after: { orderId: first, status: 'cancelled' },
    version: 1,
  });

  await buildEnds(pool).payments.accept(makeNotice(second ?? ''));
  const late = await call('POST', `/v1/sales/${saleId}/orders/${second ?? ''}/cancel`, { userId: 'op-1' });
  t.match(late, { status: 409, body: { code: 'order_not_pending', orderStatus: 'paid' } });
});
