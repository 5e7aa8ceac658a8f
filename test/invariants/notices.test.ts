// Goal: after its signature no notice is refused and none vanishes, whatever bytes it has; money finds its
// order. Method: the whole system over HTTP; notices signed over their bytes, as a provider signs them.
import { createHmac, randomUUID } from 'node:crypto';
import t from 'tap';
import { request } from 'undici';
import { buildStack, saleInput, until } from '../support/stack.ts';

const client = await buildStack(t, 'notices');
const { stack } = client;
const admin = await client.token('operator', true);
const buyer = await client.token('u1');

interface Signed {
  bytes: string | Buffer;
  id?: string;
  type?: string | null;
  isSigned?: boolean;
}

async function notify({ bytes, id = randomUUID(), type = 'application/json', isSigned = true }: Signed) {
  const at = String(Math.floor(Date.now() / 1_000));
  const key = Buffer.from(stack.info.webhookSecret.replace('whsec_', ''), 'base64');
  const digest = createHmac('sha256', key).update(`${id}.${at}.`).update(bytes).digest('base64');
  const response = await request(`${stack.info.gateway}/v1/payments/notifications?shop=1`, {
    method: 'POST',
    headers: {
      'webhook-id': id,
      'webhook-timestamp': at,
      'webhook-signature': `v1,${isSigned ? digest : 'x'.repeat(44)}`,
      ...(type === null ? {} : { 'content-type': type }),
    },
    body: bytes,
  });
  const text = await response.body.text();
  return { status: response.statusCode, body: JSON.parse(text) as Record<string, unknown> };
}

const operator = (path: string, method: 'GET' | 'POST' = 'GET', body?: unknown) =>
  client.send({ path, method, token: admin, ...(body === undefined ? {} : { body }) });

const noticeOf = (orderId: string, amount: number, paymentId: string = randomUUID()) => ({
  type: 'payment.succeeded',
  timestamp: new Date().toISOString(),
  data: { orderId, paymentId, amount: { amount, currency: 'CNY' } },
});

async function reserve(saleId: string, sku: string, token = buyer): Promise<string> {
  const answer = await client.send({
    method: 'POST',
    path: `/v1/sales/${saleId}/reservations`,
    token,
    key: randomUUID(),
    body: { lines: [{ sku, quantity: 1 }] },
  });
  if (answer.status !== 201) throw new Error(answer.text);
  return String(answer.body['id']);
}

const orderOf = async (id: string) => (await client.send({ path: `/v1/orders/${id}`, token: buyer })).body;

await t.test('any bytes that are signed are answered 200: understood, ignored or kept', async (t) => {
  await operator('/v1/sales', 'POST', saleInput('bytes'));
  const orderId = await reserve('bytes', 'a');
  const good = noticeOf(orderId, 100);
  const table: [string, Signed, string][] = [
    ['another type', { bytes: JSON.stringify({ type: 'payment.created', livemode: true }) }, 'ignored'],
    ['bytes that are no text', { bytes: Buffer.from([0xff, 0x00, 0xfe]) }, 'kept'],
    ['not JSON', { bytes: 'amount=1' }, 'kept'],
    ['a form', { bytes: 'amount=1', type: 'application/x-www-form-urlencoded' }, 'kept'],
    ['nothing', { bytes: '' }, 'kept'],
    ['no type of content', { bytes: '{', type: null }, 'kept'],
    ['a type of content that is none', { bytes: '{', type: 'x' }, 'kept'],
    ['a number as timestamp', { bytes: JSON.stringify({ ...good, timestamp: 1 }) }, 'kept'],
    ['a currency in words', { bytes: JSON.stringify(good).replace('CNY', '元') }, 'kept'],
    ['a prototype', { bytes: '{"__proto__":{"type":"payment.succeeded"}}' }, 'kept'],
    ['250,000 bytes', { bytes: `{"x":"${'y'.repeat(250_000)}"}` }, 'kept'],
    ['a webhook id of 8,000 characters', { bytes: '{', id: 'i'.repeat(8_000) }, 'kept'],
  ];
  for (const [name, notice, result] of table) {
    t.match(await notify(notice), { status: 200, body: { result } }, name);
    const { status, body } = await notify({ ...notice, isSigned: false });
    t.match({ status, body }, { status: 401, body: { code: 'bad_signature' } }, `${name}, unsigned`);
  }
  const tooLarge = await notify({ bytes: 'x'.repeat(262_145) });
  t.match(tooLarge, { status: 413, body: { code: 'body_too_large' } }, 'beyond the bound');
  const more = JSON.stringify({ id: 'evt_1', ...good, data: { ...good.data, coupon_fee: 3 } });
  t.match(await notify({ bytes: more, type: 'text/plain' }), { body: { result: /^(paid|recorded)$/ } });
  await until('the order is paid', async () => (await orderOf(orderId))['status'] === 'paid');

  const listed = await operator('/v1/notices?limit=100');
  t.equal((listed.body['data'] as unknown[]).length, table.length - 1, 'each that was kept, once');
  t.equal((await client.send({ path: '/v1/notices', token: buyer })).status, 403);
  const [first] = listed.body['data'] as { id: string; body: string }[];
  t.equal(first?.body, Buffer.from([0xff, 0x00, 0xfe]).toString('base64'), 'byte by byte');
  const replay = await operator(`/v1/notices/${first?.id ?? ''}/replay`, 'POST');
  t.match(replay, { status: 409, body: { code: 'notice_not_understood' } });
});

await t.test('one payment pays several orders; what is free is paid by itself', async (t) => {
  const items = [
    { sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total: 10 },
    { sku: 'free', title: 'Free', price: { amount: 0, currency: 'CNY' }, total: 10 },
  ];
  await operator('/v1/sales', 'POST', saleInput('joined', { items, holdSeconds: 2 }));
  const ids = [await reserve('joined', 'a'), await reserve('joined', 'a')];
  const free = await reserve('joined', 'free');
  const results = await Promise.all(
    ids.map((id) => notify({ bytes: JSON.stringify(noticeOf(id, 100, 'joined-1')) })),
  );
  for (const { body } of results) t.match(body, { result: /^(paid|recorded)$/ });
  for (const id of [...ids, free]) {
    await until(`${id} is paid`, async () => (await orderOf(id))['status'] === 'paid');
    t.match(await orderOf(id), { pickupCode: /^\d{6}$/, paidAt: /Z$/ });
  }
  await until('stock has heard', async () => {
    const { body } = await client.send({ path: '/v1/sales/joined' });
    const paid = (body['items'] as { paid: number; held: number }[]).map((item) => [item.paid, item.held]);
    return JSON.stringify(paid) === '[[2,0],[1,0]]';
  });
  t.match(await operator('/v1/sales/joined/audit'), { status: 200 });
});

await t.test('an order tells of money that is due, until a person has given it back', async (t) => {
  await operator('/v1/sales', 'POST', saleInput('late'));
  const id = await reserve('late', 'a');
  await until('the order is cancelled', async () => {
    const answer = await client.send({ method: 'POST', path: `/v1/orders/${id}/cancel`, token: buyer });
    return answer.status === 200;
  });
  t.match(await notify({ bytes: JSON.stringify(noticeOf(id, 100)) }), { body: { result: 'refund_due' } });
  t.match(await notify({ bytes: JSON.stringify(noticeOf(id, 100)) }), { body: { result: 'refund_due' } });
  t.match(await orderOf(id), { status: 'cancelled', refundDue: { amount: 200, currency: 'CNY' } });
  const list = await client.send({ path: '/v1/orders?saleId=late', token: buyer });
  t.match(list.body['data'], [{ refundDue: { amount: 200 } }]);
  const due = await operator('/v1/refunds?saleId=late&limit=1');
  const [refund] = due.body['data'] as { id: string }[];
  const rest = await operator(`/v1/refunds?saleId=late&cursor=${String(due.body['nextCursor'])}`);
  t.equal((rest.body['data'] as unknown[]).length, 1);
  const done = (reference: string) => operator(`/v1/refunds/${refund?.id ?? ''}/done`, 'POST', { reference });
  t.match(await done('re_1'), { status: 200, body: { state: 'done', reference: 're_1', doneAt: /Z$/ } });
  t.match(await done('re_1'), { status: 200 });
  t.match(await done('re_2'), { status: 409, body: { code: 'refund_done', reference: 're_1' } });
  t.match(await orderOf(id), { refundDue: { amount: 100, currency: 'CNY' } });
  t.match((await operator('/v1/refunds?saleId=late&state=done')).body, { data: [{ id: refund?.id }] });
  for (const query of ['?state=lost', '?since=yesterday', '?limit=101', '?colour=red', '?cursor=x']) {
    t.match(await operator(`/v1/refunds${query}`), { status: 400 }, query);
  }
  const byBuyer = await client.send({ path: '/v1/refunds', token: buyer });
  t.equal(byBuyer.status, 403, 'for operators alone');
});
