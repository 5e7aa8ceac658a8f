// Goal: operators can read, cancel and take back orders after the sale, through the whole system.
// Method: the real system; buyers and operators call over HTTP, each with their own token.
import { randomUUID } from 'node:crypto';
import t from 'tap';
import { buildStack, createSale, oneItem, until } from '../support/stack.ts';

const client = await buildStack(t, 'after-sale');
const operator = await client.token('operator', true);

async function reserve(saleId: string, userId: string, body: object = {}): Promise<string> {
  const answer = await client.send({
    method: 'POST',
    path: `/v1/sales/${saleId}/reservations`,
    token: await client.token(userId),
    key: randomUUID(),
    body: { lines: [{ sku: 'a', quantity: 1 }], ...body },
  });
  if (answer.status !== 201) throw new Error(`${answer.status} ${answer.text}`);
  return String(answer.body['id']);
}

await t.test('operators read and cancel the orders of others; strangers find nothing', async (t) => {
  const saleId = 'operators-orders';
  await createSale(client, saleId, { items: [oneItem(10)] });
  const id = await reserve(saleId, 'op-buyer');
  const path = `/v1/orders/${id}`;
  const stranger = await client.token('op-stranger');
  t.match(await client.send({ path, token: operator }), {
    status: 200,
    body: { id, userId: 'op-buyer', status: 'pending', payments: [] },
  });
  t.match(await client.send({ path, token: stranger }), { status: 404, body: { code: 'order_not_found' } });
  const cancel = (token: string, body?: object) =>
    client.send({ method: 'POST', path: `${path}/cancel`, token, ...(body && { body }) });
  t.match(await cancel(stranger), { status: 404 });
  t.match(await cancel(stranger, { reason: 'x' }), { status: 400, body: { field: 'reason' } });
  t.match(await cancel(operator), { status: 400, body: { field: 'reason' } }, 'an operator says why');
  t.match(await cancel(operator, { reason: 'asked by phone' }), {
    status: 200,
    body: { id, userId: 'op-buyer', status: 'cancelled' },
  });
  t.match(await cancel(await client.token('op-buyer')), { status: 200, body: { status: 'cancelled' } });
  const list = { path: `/v1/sales/${saleId}/orders?userId=op-buyer&status=cancelled` };
  t.match(await client.send({ ...list, token: operator }), { status: 200, body: { data: [{ id }] } });
  t.match(await client.send({ ...list, token: stranger }), { status: 403 });
  t.match(await client.send({ ...list, path: `${list.path}&x=1`, token: operator }), { status: 400 });
  const trail = await client.send({ path: `/v1/sales/${saleId}/changes?limit=1`, token: operator });
  t.match(trail.body, {
    data: [{ by: 'operator', action: 'cancel_order', reason: 'asked by phone', after: { orderId: id } }],
  });
});

await t.test('a part of a paid order comes back, and its unit is for sale again', async (t) => {
  const saleId = 'returned';
  await createSale(client, saleId, { items: [oneItem(2)], limitPerBuyer: 2 });
  const buyer = await client.token('return-buyer');
  const id = await reserve(saleId, 'return-buyer', { lines: [{ sku: 'a', quantity: 2 }] });
  const path = `/v1/orders/${id}`;
  t.equal((await client.send({ method: 'POST', path: `${path}/pay`, token: buyer })).status, 200);
  const again = async (key: string) =>
    client.send({
      method: 'POST',
      path: `/v1/sales/${saleId}/reservations`,
      token: buyer,
      key,
      body: { lines: [{ sku: 'a', quantity: 1 }] },
    });
  t.match(await again('k1'), { status: 409 });
  const back = (token: string, key?: string, body: object = {}) =>
    client.send({
      method: 'POST',
      path: `${path}/returns`,
      token,
      ...(key === undefined ? {} : { key }),
      body: { lines: [{ sku: 'a', quantity: 1 }], restock: true, reason: 'too many', ...body },
    });
  t.match(await back(buyer, 'r'), { status: 403 });
  t.match(await back(operator), { status: 400, body: { field: 'Idempotency-Key' } });
  t.match(await back(operator, 'r', { restock: 'yes' }), { status: 400, body: { field: 'restock' } });
  const returned = await back(operator, 'r');
  t.match(returned, {
    status: 200,
    body: { refundDue: { amount: 100 }, returned: [{ sku: 'a', quantity: 1, restocked: true }] },
  });
  t.match(await back(operator, 'r2', { lines: [{ sku: 'a', quantity: 2 }] }), {
    status: 409,
    body: { code: 'nothing_to_return', sku: 'a', left: 1 },
  });
  await until('the unit is for sale again', async () => (await again('k2')).status === 201);
  await until('both sides agree', async () => {
    const { body } = await client.send({ path: `/v1/sales/${saleId}/audit`, token: operator });
    return body['verdict'] === 'holds';
  });
  t.match(await client.send({ path: `/v1/refunds?saleId=${saleId}`, token: operator }), {
    body: { data: [{ orderId: id, reason: 'returned', amount: { amount: 100 } }] },
  });
});
