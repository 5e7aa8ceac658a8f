// Goal: every event reaches every endpoint that wants it, whatever receivers do and whoever dies meanwhile,
// and no receiver slows another. Method: the real tables on a real Postgres, the real dispatcher, receivers
// on loopback. Where an attempt would be made hours later the test moves its time in the table.
import { createHmac } from 'node:crypto';
import { systemClock, transaction, type Pool } from '@seckill/runtime';
import { silent } from '@seckill/testing';
import { createRegistry } from '@seckill/runtime';
import { test, type Test } from 'tap';
import { expireOrders } from '../../src/ledger/settlement.ts';
import { createDeliveryStore } from '../../src/webhooks/delivery-store.ts';
import { Dispatcher } from '../../src/webhooks/dispatcher.ts';
import { createWebhookMetrics } from '../../src/webhooks/metrics.ts';
import { pauseSeconds } from '../../src/webhooks/pauses.ts';
import { createSender } from '../../src/webhooks/sender.ts';
import { buildEnds, until } from '../support/build.ts';
import { createDatabase } from '../support/database.ts';
import { storeOrders, storeSale } from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock } from '../support/stock.ts';
import { createReceiver, type Received } from './receiver.ts';

const ORDER_EVENTS = ['order.paid', 'order.expired', 'order.cancelled', 'order.refused'];

/** The role `webhooks` of one process. */
function startDispatcher(t: Test, pool: Pool): { stop: () => Promise<void> } {
  const sender = createSender(true, 8);
  const dispatcher = new Dispatcher({
    store: createDeliveryStore(pool),
    sender,
    clock: systemClock,
    logger: silent,
    metrics: createWebhookMetrics(createRegistry()),
  });
  const abort = new AbortController();
  const running = dispatcher.run(abort.signal);
  const stop = async (): Promise<void> => {
    abort.abort();
    await running;
    await sender.close();
  };
  t.teardown(stop);
  return { stop };
}

async function build(t: Test) {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url, { webhookAllowPrivate: true });
  const register = async (url: string, events: string[] = ORDER_EVENTS) => {
    const { status, body } = await call('POST', '/v1/webhook-endpoints', { body: { url, events } });
    t.equal(status, 201);
    return body as { id: string; secret: string; state: string };
  };
  const { orders } = buildEnds(pool);
  const saleId = await storeSale(pool, { orange: 1_000 });
  /** Makes orders and cancels them. @returns their ids. */
  const cancelOrders = async (count: number): Promise<string[]> => {
    const stored = await storeOrders(
      pool,
      saleId,
      Array.from({ length: count }, () => ({})),
    );
    for (const { reservationId, userId } of stored) await orders.cancel(reservationId, userId);
    return stored.map(({ reservationId }) => reservationId);
  };
  const deliveries = async (id: string, query = '') => {
    const { body } = await call('GET', `/v1/webhook-endpoints/${id}/deliveries${query}`);
    return body['data'] as Record<string, unknown>[];
  };
  /** Makes all that is pending due now, as after the longest pause. */
  const makeDue = () =>
    pool.query(`UPDATE webhook_deliveries SET next_attempt_at = now() WHERE state = 'pending'`);
  return { pool, call, register, orders, saleId, cancelOrders, deliveries, makeDue };
}

function isSigned({ headers, text }: Received, secret: string): boolean {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const signed = `${headers['webhook-id'] as string}.${headers['webhook-timestamp'] as string}.${text}`;
  const signature = `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
  return String(headers['webhook-signature']).split(' ').includes(signature);
}

await test('each end of an order is told, signed, with the order', async (t) => {
  const { pool, register, orders, saleId } = await build(t);
  const receiver = await createReceiver(t);
  const { secret } = await register(receiver.url);
  const small = await storeSale(pool, { orange: 1 });
  const [paid, cancelled, expired] = await storeOrders(pool, saleId, [{}, {}, {}]);
  if (paid === undefined || cancelled === undefined || expired === undefined) return t.fail('not stored');
  await orders.paySandbox(paid.reservationId, paid.userId);
  await orders.cancel(cancelled.reservationId, cancelled.userId);
  await pool.query(`UPDATE orders SET expires_at = now() - interval '1 minute' WHERE id = $1`, [
    expired.reservationId,
  ]);
  await transaction(pool, (client) => expireOrders(client, { graceMs: 0, countMax: 10 }));
  const [, refused] = await storeOrders(pool, small, [{}, {}]);
  startDispatcher(t, pool);
  await until('four events', () => receiver.seen.length >= 4);
  const told = new Map(receiver.seen.map((one) => [one.body.type, one]));
  for (const [type, order] of [
    ['order.paid', paid],
    ['order.cancelled', cancelled],
    ['order.expired', expired],
    ['order.refused', refused],
  ] as const) {
    const one = told.get(type);
    if (one === undefined) return t.fail(`no ${type}`);
    t.match(one.body.data, { id: order?.reservationId, userId: order?.userId, status: type.slice(6) });
    t.ok(isSigned(one, secret), `${type} is signed`);
    t.match(one.headers['webhook-id'], /^msg_/);
    t.ok(Math.abs(Number(one.headers['webhook-timestamp']) - Date.now() / 1_000) < 30);
  }
  t.match(told.get('order.paid')?.body.data, { pickupCode: /^\d{6}$/, amount: { currency: 'CNY' } });
});

await test('an event is kept only for endpoints that asked for it', async (t) => {
  const { pool, register, cancelOrders } = await build(t);
  await cancelOrders(1);
  const receiver = await createReceiver(t);
  await register(receiver.url, ['order.paid']);
  await cancelOrders(1);
  const { rows } = await pool.query('SELECT FROM webhook_deliveries');
  t.equal(rows.length, 0);
});

await test('a receiver that fails is told again: the same id, the same bytes', async (t) => {
  const { pool, register, cancelOrders, deliveries, makeDue } = await build(t);
  const receiver = await createReceiver(t, (response, { length }) => {
    response.writeHead([500, 429, 204][length - 1] ?? 204, { 'retry-after': '3600' }).end('no');
  });
  const { id } = await register(receiver.url);
  await cancelOrders(1);
  startDispatcher(t, pool);
  for (const attempts of [1, 2]) {
    await until(`attempt ${attempts}`, async () => (await deliveries(id))[0]?.['lastStatus'] !== undefined);
    await until('it is stored', async () => (await deliveries(id))[0]?.['attempts'] === attempts);
    await until('the pause is that of the receiver', async () => {
      const next = Date.parse(String((await deliveries(id))[0]?.['nextAttemptAt']));
      return next - Date.now() > 3_000_000;
    });
    await makeDue();
  }
  await until('it is delivered', async () => (await deliveries(id))[0]?.['state'] === 'delivered');
  t.equal(receiver.seen.length, 3);
  t.equal(new Set(receiver.seen.map(({ headers }) => headers['webhook-id'])).size, 1);
  t.equal(new Set(receiver.seen.map(({ text }) => text)).size, 1);
  const [delivery] = await deliveries(id);
  t.match(delivery, { attempts: 3, lastStatus: 204, type: 'order.cancelled', deliveredAt: /Z$/ });
});

await test('an event is tried for three days with growing pauses, and then given up', async (t) => {
  const { pool, register, cancelOrders, deliveries } = await build(t);
  let total = 0;
  let attempts = 0;
  while (total < 72 * 3_600) {
    attempts += 1;
    const pause = pauseSeconds(attempts, () => 0.5);
    t.ok(pause >= (attempts === 1 ? 0 : pauseSeconds(attempts - 1, () => 0.5)), 'pauses grow');
    total += pause;
  }
  t.ok(attempts >= 10 && attempts <= 20, `${attempts} attempts in three days`);
  t.not(
    pauseSeconds(3, () => 0),
    pauseSeconds(3, () => 1),
    'with jitter',
  );

  const receiver = await createReceiver(t, (response) => response.writeHead(503).end());
  const { id } = await register(receiver.url);
  await cancelOrders(1);
  await pool.query(`UPDATE webhook_deliveries SET give_up_at = now() + interval '1 second'`);
  startDispatcher(t, pool);
  await until('it is given up', async () => (await deliveries(id, '?state=failed')).length === 1);
  t.match(await deliveries(id), [{ state: 'failed', attempts: 1, lastStatus: 503 }]);
});

await test('a receiver that hangs, redirects or is gone slows nobody else', async (t) => {
  const { pool, call, register, cancelOrders, deliveries } = await build(t);
  const good = await createReceiver(t);
  const elsewhere = await createReceiver(t);
  const hangs = await createReceiver(t, () => undefined);
  const redirects = await createReceiver(t, (response) =>
    response.writeHead(307, { location: elsewhere.url }).end(),
  );
  const gone = await createReceiver(t, (response) => response.writeHead(410).end());
  const [, hung, redirected, left] = [
    await register(good.url),
    await register(hangs.url),
    await register(redirects.url),
    await register(gone.url),
  ];
  const startedAt = Date.now();
  await cancelOrders(40);
  startDispatcher(t, pool);
  await until('the good one heard all', () => good.seen.length === 40);
  t.ok(Date.now() - startedAt < 9_000, 'before the hanging one ran into its time-out');
  t.ok(hangs.seen.length <= 8, `${hangs.seen.length} attempts at once`);
  await until('the redirect failed', async () => {
    const [delivery] = await deliveries(redirected.id);
    return delivery?.['lastError'] === 'redirects are not followed';
  });
  t.equal(elsewhere.seen.length, 0, 'a redirect is not followed');
  await until('410 disables', async () => {
    const { body } = await call('GET', `/v1/webhook-endpoints/${left.id}`);
    return body['state'] === 'disabled';
  });
  await until('nothing waits for it', async () => (await deliveries(left.id, '?state=pending')).length === 0);
  await cancelOrders(1);
  t.equal((await deliveries(left.id, '?limit=100')).length, 40, 'nothing is kept for a disabled endpoint');
  await until('the time-out is told', async () => {
    const all = await deliveries(hung.id, '?limit=100');
    return all.some(({ lastError }) => lastError === 'no answer within 10 s');
  });
});

await test('an endpoint hears the events of one order in the order in which they happened', async (t) => {
  const { pool, register, cancelOrders, makeDue } = await build(t);
  const receiver = await createReceiver(t, (response, { length }) =>
    response.writeHead(length === 1 ? 500 : 204).end(),
  );
  const { id } = await register(receiver.url, [...ORDER_EVENTS, 'order.returned']);
  const [order] = await cancelOrders(1);
  await pool.query(
    `INSERT INTO webhook_deliveries (endpoint_id, type, subject) VALUES ($1, 'order.returned', $2)`,
    [id, order],
  );
  startDispatcher(t, pool);
  await until('the first attempt', () => receiver.seen.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 800));
  t.equal(receiver.seen.length, 1, 'the second event waits for the first');
  await makeDue();
  await until('both', () => receiver.seen.length === 3);
  t.same(
    receiver.seen.map(({ body }) => body.type),
    ['order.cancelled', 'order.cancelled', 'order.returned'],
  );
});

await test('an attempt of a process that died is made again by another', async (t) => {
  const { pool, register, cancelOrders, makeDue } = await build(t);
  const receiver = await createReceiver(t);
  const { id } = await register(receiver.url);
  await cancelOrders(3);
  // An attempt is claimed and never ends, as if its process was killed.
  const store = createDeliveryStore(pool);
  const lost = await store.claim(id, 10);
  t.equal(lost.length, 3);
  t.equal((await store.claim(id, 10)).length, 0, 'nobody else has them meanwhile');
  await makeDue();
  const [one, other] = [startDispatcher(t, pool), startDispatcher(t, pool)];
  await until('all are told', () => receiver.seen.length === 3);
  t.equal(new Set(receiver.seen.map(({ headers }) => headers['webhook-id'])).size, 3, 'two share the work');
  // The process that was thought dead wakes and stores the attempt's end, which does not count.
  const [late] = lost;
  if (late === undefined) return t.fail('nothing was claimed');
  await store.finish(late, { isDelivered: false, isGone: false }, 5);
  await Promise.all([one.stop(), other.stop()]);
  const { rows } = await pool.query(`SELECT FROM webhook_deliveries WHERE state = 'delivered'`);
  t.equal(rows.length, 3);
});

await test('endpoints are registered, listed, paused, rotated and removed', async (t) => {
  const { pool, call, register, cancelOrders, deliveries } = await build(t);
  const receiver = await createReceiver(t);
  const { id, secret } = await register(receiver.url);
  t.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/);
  const path = `/v1/webhook-endpoints/${id}`;
  const read = await call('GET', path);
  t.match(read.body, { id, url: receiver.url, events: ORDER_EVENTS, state: 'enabled', createdAt: /Z$/ });
  t.notOk('secret' in read.body, 'the secret is shown once');
  await register(receiver.url, ['sale.closed']);
  const first = await call('GET', '/v1/webhook-endpoints?limit=1');
  const next = await call('GET', `/v1/webhook-endpoints?limit=1&cursor=${String(first.body['nextCursor'])}`);
  t.match(first.body['data'], [{ id }]);
  t.match(next.body['data'], [{ events: ['sale.closed'] }]);
  t.notOk('nextCursor' in next.body);

  t.match(await call('PATCH', path, { body: { state: 'paused' } }), {
    status: 200,
    body: { state: 'paused' },
  });
  startDispatcher(t, pool);
  await cancelOrders(1);
  await new Promise((resolve) => setTimeout(resolve, 600));
  t.equal(receiver.seen.length, 0, 'a paused endpoint is left in peace');
  const rotated = await call('POST', `${path}/rotate`);
  const renewed = String(rotated.body['secret']);
  t.not(renewed, secret);
  await call('PATCH', path, { body: { state: 'enabled' } });
  await until('what waited is told', () => receiver.seen.length === 1);
  const [told] = receiver.seen;
  if (told === undefined) return t.fail('not told');
  t.ok(isSigned(told, renewed) && isSigned(told, secret), 'both secrets sign for a day');

  await until('it is stored', async () => (await deliveries(id))[0]?.['state'] === 'delivered');
  await pool.query(`UPDATE webhook_endpoints SET old_secret_until = now()`);
  const [delivery] = await deliveries(id);
  const replay = await call('POST', `${path}/deliveries/${String(delivery?.['id'])}/replay`);
  t.match(replay, { status: 200, body: { state: 'pending' } });
  await until('it is told once more', () => receiver.seen.length === 2);
  const again = receiver.seen[1];
  t.equal(again?.text, told.text);
  t.ok(again !== undefined && isSigned(again, renewed) && !isSigned(again, secret), 'the old one is over');

  // What is being stored at this moment would be left for later.
  await until('that is stored', async () => (await deliveries(id))[0]?.['state'] === 'delivered');
  t.equal((await call('DELETE', path)).status, 204);
  for (const [method, gone] of [
    ['GET', path],
    ['DELETE', path],
    ['POST', `${path}/rotate`],
    ['GET', `${path}/deliveries`],
    ['POST', `${path}/deliveries/${String(delivery?.['id'])}/replay`],
  ] as const) {
    t.match(await call(method, gone), { status: 404, body: { code: 'webhook_endpoint_not_found' } });
  }
  const { rows } = await pool.query('SELECT FROM webhook_deliveries WHERE endpoint_id = $1', [id]);
  t.equal(rows.length, 0);
});

await test('a malformed endpoint is refused, and so is one beyond the hundredth', async (t) => {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url);
  const post = (body: unknown) => call('POST', '/v1/webhook-endpoints', { body });
  const url = 'https://shop.example/hook';
  for (const body of [
    { url },
    { url, events: [] },
    { url, events: ['order.made'] },
    { url, events: ['order.paid', 'order.paid'] },
    { url, events: ['order.paid'], secret: 'mine' },
    { url: 'http://shop.example/hook', events: ['order.paid'] },
    { url: 'https://10.0.0.1/hook', events: ['order.paid'] },
    { url: `https://shop.example/${'x'.repeat(2_048)}`, events: ['order.paid'] },
  ]) {
    t.match(
      await post(body),
      { status: 400, body: { code: 'invalid_request' } },
      JSON.stringify(body).slice(0, 80),
    );
  }
  // One table's lock is waited for: no more at once than a busy machine can serve within the pool's second.
  const made = [];
  for (let round = 0; round < 15; round += 1) {
    made.push(...(await Promise.all(Array.from({ length: 7 }, () => post({ url, events: ['order.paid'] })))));
  }
  const refused = made.filter(({ status }) => status !== 201);
  t.equal(refused.length, 5, JSON.stringify(refused[0]?.body));
  const full = { status: 409, body: { code: 'webhook_endpoints_full', max: 100 } };
  for (const answer of refused) t.match(answer, full);
});

await test('openings, closings and "sold out" of a sale are told once, by the clock and by the ledger', async (t) => {
  const { pool, register } = await build(t);
  const receiver = await createReceiver(t);
  await register(receiver.url, ['sale.opened', 'sale.sold_out', 'sale.closed']);
  const open = await storeSale(pool, { orange: 2 });
  const later = await storeSale(pool, { orange: 2 }, { opensAt: '2098-01-01T00:00:00.000Z' });
  const [one, other] = [startDispatcher(t, pool), startDispatcher(t, pool)];
  const told = (saleId: string) =>
    receiver.seen.filter(({ body }) => body.data['id'] === saleId).map(({ body }) => body.type);
  await until('it opened', () => told(open).length === 1);
  await storeOrders(pool, open, [{}, {}]);
  await until('it is sold out', () => told(open).length === 2);
  await pool.query(`UPDATE sales SET state = 'closed' WHERE id = ANY ($1)`, [[open, later]]);
  await until('both are closed', () => told(open).length === 3 && told(later).length === 1);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  t.same(told(open), ['sale.opened', 'sale.sold_out', 'sale.closed']);
  t.same(told(later), ['sale.closed'], 'it never opened');
  const sold = receiver.seen.find(({ body }) => body.type === 'sale.sold_out');
  t.match(sold?.body.data, { state: 'open', items: [{ sku: 'orange', total: 2, sold: 2 }] });
  await Promise.all([one.stop(), other.stop()]);
});
