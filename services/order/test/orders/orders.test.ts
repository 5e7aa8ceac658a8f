// Goal: an owner finds every order, once, and nobody else finds any.
// Method: rows stored by the real intake, read over HTTP; new ones arrive between the pages.
import type { Order, OrderPage } from '@seckill/contracts';
import { test } from 'tap';
import { createDatabase } from '../support/database.ts';
import { buildIntake, makeContext } from '../support/build.ts';
import { makeReservation, storeSale, toBatch } from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

const asPage = (body: unknown) => body as OrderPage;

await test('an order reads as the contract says', async (t) => {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url);
  const saleId = await storeSale(pool, { orange: 10, mango: 10 });
  const full = makeReservation(saleId, {
    lines: [
      { sku: 'orange', quantity: 2, price: 2_990 },
      { sku: 'mango', quantity: 1, price: 20 },
    ],
    channelId: 'xhs',
    ref: 'note-8812',
    metadata: { zebra: 1, apple: { gift: true } },
  });
  const bare = makeReservation(saleId);
  await buildIntake(pool).intake.handleBatch(toBatch([full, bare]), makeContext().context);
  const { status, body } = await call('GET', `/v1/orders/${full.reservationId}`, { userId: full.userId });
  t.equal(status, 200);
  t.same(body, {
    id: full.reservationId,
    saleId,
    lines: [
      { sku: 'orange', quantity: 2, price: { amount: 2_990, currency: 'CNY' } },
      { sku: 'mango', quantity: 1, price: { amount: 20, currency: 'CNY' } },
    ],
    channelId: 'xhs',
    ref: 'note-8812',
    metadata: { zebra: 1, apple: { gift: true } },
    status: 'pending',
    amount: { amount: 6_000, currency: 'CNY' },
    reservedAt: new Date(full.reservedAt).toISOString(),
    expiresAt: new Date(full.expiresAt).toISOString(),
  });
  const other = await call('GET', `/v1/orders/${bare.reservationId}`, { userId: bare.userId });
  t.notOk(
    'channelId' in other.body || 'ref' in other.body || 'metadata' in other.body || 'paidAt' in other.body,
    'what is absent is left out',
  );
});

await test('a stranger and an unknown id get the same answer', async (t) => {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url);
  const saleId = await storeSale(pool, { orange: 10 });
  const own = makeReservation(saleId, { userId: 'owner' });
  await buildIntake(pool).intake.handleBatch(toBatch([own]), makeContext().context);
  const longest = `${'a'.repeat(63)}.9999.${'b'.repeat(43)}`;
  for (const [orderId, userId] of [
    [own.reservationId, 'stranger'],
    [`${own.reservationId}x`, 'owner'],
    ['nonsense', 'owner'],
    [longest, 'owner'],
    ['a%00b', 'owner'],
    ["'%20OR%201=1", 'owner'],
  ] as const) {
    const answer = await call('GET', `/v1/orders/${orderId}`, { userId });
    t.match(answer, { status: 404, body: { code: 'order_not_found' } }, orderId);
  }
  t.equal((await call('GET', `/v1/orders/${own.reservationId}`, { userId: 'owner' })).status, 200);
  for (const path of ['/v1/orders', `/v1/orders/${own.reservationId}`]) {
    t.match(await call('GET', path), { status: 400, body: { field: 'x-user-id' } }, 'no user');
    t.match(await call('GET', path, { userId: 'a b' }), { status: 400, body: { field: 'x-user-id' } });
    t.match(await call('GET', path, { userId: 'x'.repeat(129) }), {
      status: 400,
      body: { field: 'x-user-id' },
    });
  }
});

await test('pages go from new to old, complete and without repeats while rows are stored', async (t) => {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url);
  const saleId = await storeSale(pool, { orange: 1_000 });
  const { intake } = buildIntake(pool);
  const { context } = makeContext();
  let offset = 0;
  const store = async (instants: number[], userId = 'u1') => {
    const values = instants.map((reservedAt) => makeReservation(saleId, { userId, reservedAt }));
    await intake.handleBatch(toBatch(values, { offset }), context);
    offset += values.length;
    return values.map(({ reservationId }) => reservationId);
  };
  // Several orders have the same millisecond, so the id decides.
  const ids = await store([1_000, 1_001, 1_001, 1_001, 1_001, 1_002, 1_003, 1_003, 1_004, 1_005]);
  await store([1_001, 1_002], 'u2');

  const seen: Order[] = [];
  let cursor: string | undefined;
  do {
    const path = `/v1/orders?limit=3${cursor === undefined ? '' : `&cursor=${cursor}`}`;
    const { status, body } = await call('GET', path, { userId: 'u1' });
    t.equal(status, 200);
    seen.push(...asPage(body).data);
    cursor = asPage(body).nextCursor;
    // These orders are newer than every page, and none of them may push the rest aside.
    await store([2_000 + seen.length]);
  } while (cursor !== undefined);
  t.same(seen.map(({ id }) => id).sort(), [...ids].sort(), 'each once');
  const instants = seen.map(({ reservedAt }) => reservedAt);
  t.same(instants, [...instants].sort().reverse(), 'newest first');

  const all = await call('GET', '/v1/orders', { userId: 'u1' });
  t.equal(asPage(all.body).data.length, 14, 'without a limit up to 20');
  t.notOk('nextCursor' in all.body, 'absent on the last page');
  t.notOk(
    'nextCursor' in (await call('GET', '/v1/orders?limit=14', { userId: 'u1' })).body,
    'also when it is full',
  );
  t.ok('nextCursor' in (await call('GET', '/v1/orders?limit=13', { userId: 'u1' })).body);
  t.same(await call('GET', '/v1/orders', { userId: 'nobody' }), { status: 200, body: { data: [] } });
});

await test('the list is filtered by sale and status', async (t) => {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url);
  const [a, b] = [await storeSale(pool, { orange: 1 }), await storeSale(pool, { orange: 5 })];
  const values = [a, a, b].map((saleId) => makeReservation(saleId, { userId: 'u1' }));
  await buildIntake(pool).intake.handleBatch(toBatch(values), makeContext().context);
  const count = async (query: string) =>
    asPage((await call('GET', `/v1/orders?${query}`, { userId: 'u1' })).body).data.length;
  t.equal(await count(`saleId=${a}`), 2);
  t.equal(await count('status=pending'), 2);
  t.equal(await count('status=refused'), 1, 'the one the ledger had no unit for');
  t.equal(await count(`saleId=${b}&status=refused`), 0);
  const refused = await call('GET', '/v1/orders?status=refused', { userId: 'u1' });
  t.match(asPage(refused.body).data[0], { status: 'refused', endedAt: /Z$/ });
});

await test('a bad query is refused with its field', async (t) => {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url);
  const encode = (text: string) => Buffer.from(text).toString('base64url');
  const table = [
    ...['0', '101', '-1', '1.5', 'abc', '', '01', '1e2', '1&limit=2'].map((limit) => [
      `limit=${limit}`,
      'limit',
    ]),
    ...[
      'abc',
      '!!!',
      encode('1 not-an-id'),
      encode(`x sale.0.${'a'.repeat(16)}`),
      encode(`999999999999999999 sale.0.${'a'.repeat(16)}`),
      encode(`9999999999999999 sale.0.${'a'.repeat(16)}`),
      // This instant lies beyond the year 9999, which Postgres would not read.
      encode(`999999999999999 sale.0.${'a'.repeat(16)}`),
      encode(`1 sale.0.${'a'.repeat(16)}\u0000`),
    ].map((cursor) => [`cursor=${cursor}`, 'cursor']),
    ['cursor=', 'cursor'],
    ['status=open', 'status'],
    ['saleId=NO', 'saleId'],
    ['userId=u2', 'userId'],
  ];
  for (const [query = '', field] of table) {
    const answer = await call('GET', `/v1/orders?${query}`, { userId: 'u1' });
    t.match(answer, { status: 400, body: { code: 'invalid_request', field } }, query);
  }
});
