// Goal: every hold ends once and truthfully: paid, cancelled or expired, and its units are sold again
// (INV-5).
// Method: the whole system over HTTP; notices signed as a provider signs them.
import { randomUUID } from 'node:crypto';
import t from 'tap';
import { Pool } from 'undici';
import { makeReserve } from '../support/reserve.ts';
import { noticeOf, sendNotice, type Payment, type Signing } from '../support/notices.ts';
import { buildStack, createSale, itemOf, until, untilRows, type Answer } from '../support/stack.ts';

const client = await buildStack(t, 'settle');
const { stack } = client;
const admin = await client.token('operator', true);
const buyer = await client.token('u1');
const reserve = makeReserve(client, buyer);

async function reserved(saleId: string, options: Parameters<typeof reserve>[1] = {}): Promise<string> {
  let answer = await reserve(saleId, options);
  // What a gateway says of a sale may be up to a second old.
  const startedAt = performance.now();
  while (answer.status === 409 && performance.now() - startedAt < 1_000)
    answer = await reserve(saleId, options);
  if (answer.status !== 201) throw new Error(`reserve: ${answer.status} ${answer.text}`);
  return String(answer.body['id']);
}

function orderOf(id: string, token = buyer): Promise<Answer> {
  return client.send({ path: `/v1/orders/${id}`, token });
}

/** Repeats while the row is on its way, as docs/http-api.md asks. Any other answer counts. */
async function end(id: string, verb: 'cancel' | 'pay', token = buyer): Promise<Answer> {
  for (;;) {
    const answer = await client.send({ method: 'POST', path: `/v1/orders/${id}/${verb}`, token });
    if (answer.body['code'] !== 'order_not_ready') return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function notify({ secret, at, ...payment }: Payment & Signing) {
  const notice = noticeOf({ paymentId: randomUUID(), ...payment }, at);
  return sendNotice(client, notice, { ...(secret && { secret }), ...(at && { at }) });
}

async function untilItem(saleId: string, wanted: Record<string, unknown>): Promise<void> {
  await until(JSON.stringify(wanted), async () => {
    const item = await itemOf(client, saleId);
    return Object.entries(wanted).every(([name, value]) => item[name] === value);
  });
}

await t.test('a signed notice pays the order, once, and its units are sold for good', async (t) => {
  await createSale(client, 'noticed');
  const orderId = await reserved('noticed');
  const paymentId = randomUUID();
  const first = await notify({ orderId, paymentId });
  t.equal(first.status, 200);
  t.ok(['paid', 'recorded'].includes(String(first.body['result'])), 'recorded if it beat the row');
  await until('the order is paid', async () => (await orderOf(orderId)).body['status'] === 'paid');
  t.match((await orderOf(orderId)).body, { status: 'paid', pickupCode: /^\d{6}$/, paidAt: /Z$/ });
  await untilItem('noticed', { held: 0, paid: 1, available: 9 });
  t.match(await notify({ orderId, paymentId }), { status: 200, body: { result: 'already_paid' } });
  t.match(await notify({ orderId }), { body: { result: 'refund_due' } }, 'a second payment');
  await untilItem('noticed', { held: 0, paid: 1, available: 9 });
});

await t.test('money that does not fit or comes too late is kept for a refund', async (t) => {
  await createSale(client, 'refunded');
  const orderId = await reserved('refunded');
  await until('the row is stored', async () => (await end(orderId, 'cancel')).status === 200);
  t.match(await notify({ orderId }), { body: { result: 'refund_due' } }, 'after the cancel');
  const other = await reserved('refunded');
  await untilRows(client, 'refunded', 2);
  t.match(await notify({ orderId: other, amount: 1 }), { body: { result: 'refund_due' } }, 'wrong amount');
  t.match(await notify({ orderId: other, currency: 'USD' }), { body: { result: 'refund_due' } });
  t.match((await orderOf(other)).body, { status: 'pending' }, 'the order still waits for its own money');
  t.match(await notify({ orderId: other }), { body: { result: 'paid' } });
});

await t.test('a notice nobody signed, or signed long ago, is refused and changes nothing', async (t) => {
  await createSale(client, 'unsigned');
  const orderId = await reserved('unsigned');
  const stranger = `whsec_${Buffer.from('x'.repeat(32)).toString('base64')}`;
  const minutesAgo = new Date(Date.now() - 6 * 60_000);
  for (const notice of [{ secret: stranger }, { at: minutesAgo }]) {
    t.match(await notify({ orderId, ...notice }), { status: 401, body: { code: 'bad_signature' } });
  }
  const bare = await client.send({ method: 'POST', path: '/v1/payments/notifications', raw: '{' });
  t.match(bare, { status: 401, body: { code: 'bad_signature' } }, 'told before the body is parsed');
  t.equal((await orderOf(orderId)).body['status'], 'pending');
});

await t.test('a cancel frees units, limit and channel, from the very first moment', async (t) => {
  await createSale(client, 'cancelled', { limitPerBuyer: 1, rejoinSeconds: 2 });
  const key = randomUUID();
  const first = await reserve('cancelled', { key });
  const orderId = String(first.body['id']);
  const early = await client.send({ method: 'POST', path: `/v1/orders/${orderId}/cancel`, token: buyer });
  t.ok(early.status === 200 || early.body['code'] === 'order_not_ready', `never 404: ${early.text}`);
  const cancelled = await end(orderId, 'cancel');
  t.match(cancelled, { status: 200, body: { status: 'cancelled', endedAt: /Z$/ } });
  t.strictSame((await end(orderId, 'cancel')).body, cancelled.body, 'a repeat tells the same');
  t.equal((await end(orderId, 'cancel', await client.token('u2'))).status, 404, 'a stranger');
  await untilItem('cancelled', { available: 10, held: 0, paid: 0 });
  t.match(
    await reserve('cancelled', { key }),
    { text: first.text, headers: { 'idempotent-replayed': 'true', 'order-status': 'cancelled' } },
    'the first key keeps its first answer, and the truth stands beside it',
  );
  t.match(await reserve('cancelled'), {
    status: 409,
    headers: { 'retry-after': /^[12]$/ },
    body: { code: 'rejoin_later', retryable: true },
  });
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const again = await reserve('cancelled');
  t.equal(again.status, 201, 'a new key may reserve again: the limit is free');
  const paid = await end(String(again.body['id']), 'pay');
  t.match(paid, { status: 200, body: { status: 'paid' } });
  t.match(await end(String(again.body['id']), 'cancel'), {
    status: 409,
    body: { code: 'order_not_pending', orderStatus: 'paid' },
  });
  t.match(await end(String(again.body['id']), 'pay'), { status: 200, body: { status: 'paid' } });
  t.match(await end(orderId, 'pay'), {
    status: 409,
    body: { code: 'order_not_pending', orderStatus: 'cancelled' },
  });
});

await t.test('a hold that runs out expires, also while the sale is paused, and is sold again', async (t) => {
  await createSale(client, 'expiring', { holdSeconds: 1 });
  const orderId = await reserved('expiring', { quantity: 10 });
  t.match(await reserve('expiring'), { body: { code: 'sold_out', final: false, retryable: true } });
  t.match(await itemOf(client, 'expiring'), { soldOut: 'held' });
  await client.send({ method: 'POST', path: '/v1/sales/expiring/pause', token: admin });
  await untilItem('expiring', { available: 10, held: 0, soldOut: 'no' });
  t.match((await orderOf(orderId)).body, { status: 'expired', endedAt: /Z$/ });
  await client.send({ method: 'POST', path: '/v1/sales/expiring/resume', token: admin });
  const next = await reserved('expiring', { quantity: 10 });
  t.equal((await end(next, 'pay')).status, 200);
  await untilItem('expiring', { available: 0, held: 0, paid: 10, soldOut: 'final' });
  await until('the gateway has heard that all is paid', async () => {
    const { body } = await reserve('expiring');
    return body['code'] === 'sold_out' && body['final'] === true && body['retryable'] === false;
  });
});

await t.test('a restock adds its units once, whatever repeats and races', async (t) => {
  await createSale(client, 'restocked');
  const restock = (quantity: number, key: string) =>
    client.send({
      method: 'POST',
      path: '/v1/sales/restocked/items/a/restock',
      token: admin,
      key,
      body: { quantity },
    });
  const key = randomUUID();
  const steer = (verb: string) =>
    client.send({ method: 'POST', path: `/v1/sales/restocked/${verb}`, token: admin });
  // The same restock is sent many times, among pauses and resumes.
  const answers = await Promise.all([
    ...Array.from({ length: 8 }, () => restock(5, key)),
    steer('pause'),
    steer('resume'),
    restock(3, randomUUID()),
    steer('pause'),
    steer('resume'),
  ]);
  for (const { status, text } of answers) t.equal(status, 200, text);
  await untilItem('restocked', { total: 18, available: 18 });
  t.match(await restock(6, key), { status: 422, body: { code: 'key_reused' } });
  t.match(await restock(20_000_000, randomUUID()), { status: 400, body: { field: 'quantity' } });
  const missing = await client.send({
    method: 'POST',
    path: '/v1/sales/restocked/items/nope/restock',
    token: admin,
    key: randomUUID(),
    body: { quantity: 1 },
  });
  t.match(missing, { status: 404, body: { code: 'sku_not_found' } });
  await steer('resume');
  t.equal((await reserve('restocked', { quantity: 18 })).status, 201, 'the ledger allows what Redis sells');
  await steer('close');
  t.match(await restock(1, randomUUID()), { status: 410, body: { code: 'sale_closed' } });
});

await t.test('paying by a call of one’s own exists only in the sandbox', async (t) => {
  const { url } = await stack.startProcess({
    service: 'gateway',
    name: 'gateway-production',
    env: { PAYMENTS: 'notifications' },
  });
  const http = new Pool(url);
  const response = await http.request({ method: 'POST', path: '/v1/orders/x/pay' });
  t.equal(response.statusCode, 404);
  t.match(await response.body.json(), { code: 'not_found' });
  await http.close();
});
