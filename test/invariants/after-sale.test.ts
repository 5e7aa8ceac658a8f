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

await t.test('what was sold and what is handed out, as JSON and as files; a code once', async (t) => {
  const saleId = 'handed-out';
  const group = (id: string, pickupPointId: string) => ({
    id,
    kind: 'community',
    title: id,
    partnerId: `=${id}`,
    pickupPointId,
    cap: 2,
  });
  const channels = [group('red', 'after-1'), group('blue', 'after-2')];
  await createSale(client, saleId, { items: [oneItem(20)], channels });
  const paid: string[] = [];
  for (let number = 0; number < 4; number += 1) {
    const userId = `hand-${number}`;
    const channelId = number < 2 ? 'red' : 'blue';
    const id = await reserve(saleId, userId, { channelId, ref: '=note', contact: { name: '=Li' } });
    const answer = await client.send({
      method: 'POST',
      path: `/v1/orders/${id}/pay`,
      token: await client.token(userId),
    });
    t.equal(answer.status, 200);
    paid.push(id);
  }
  const ask = async (path: string, token = operator, headers: Record<string, string> = {}) =>
    client.send({ path: `/v1/sales/${saleId}/${path}`, token, headers });
  const post = async (path: string, body: object, token = operator) =>
    client.send({ method: 'POST', path, token, body });

  const report = await ask('report');
  t.match(report.body, {
    totals: { total: 20, available: 16, units: { paid: 4 }, commissionBase: { amount: 400 } },
    partners: [{ partnerId: '=red', units: { paid: 2 } }, { partnerId: '=blue' }],
  });
  const file = await ask('report', operator, { accept: 'text/csv' });
  t.match(file.headers, { 'content-type': /^text\/csv/ });
  t.match(file.text, `"red","community","red","'=red","after-1",2,`);

  // Both channels have sold their caps; the order that moves counts where it was sold.
  const [first = ''] = paid;
  const moved = await post(`/v1/orders/${first}/move`, { channelId: 'blue', reason: 'closed today' });
  t.match(moved, { status: 200, body: { channelId: 'red', pickupChannelId: 'blue' } });
  const list = await ask('pickups?channelId=blue&limit=2');
  t.match(list.body, { load: [{ sku: 'a', units: 3 }] });
  const more = await ask(`pickups?channelId=blue&limit=2&cursor=${String(list.body['nextCursor'])}`);
  t.match(more.body, {
    data: [{ orderId: first, userId: 'hand-0', channelId: 'blue', contact: { name: '=Li' } }],
    nextCursor: undefined,
  });
  const pickup = { saleId, pickupPointId: 'after-2', code: moved.body['pickupCode'] };
  t.match(await post('/v1/pickups', pickup), { status: 200, body: { orderId: first } });
  t.match(await post('/v1/pickups', pickup), {
    status: 409,
    body: { code: 'already_picked_up', at: /Z$/, retryable: false },
  });
  t.match(await post('/v1/pickups', { ...pickup, pickupPointId: 'after-1' }), { status: 404 });
  t.match(await post('/v1/pickups', { ...pickup, code: '12' }), { status: 400, body: { field: 'code' } });
  const lines = (await ask('pickups?channelId=blue&format=csv')).text.split('\r\n');
  t.equal(lines.length, 5, 'a head, three orders, and the end');
  t.match(
    lines.find((line) => line.includes(first)),
    `"${String(pickup.code)}","1 × a","'=Li",,,,"blue","20`,
  );
  t.match(await ask('pickups?channelId=nowhere&format=csv'), {
    status: 404,
    body: { code: 'channel_not_found' },
  });

  const own = await client.send({ path: `/v1/orders/${first}`, token: await client.token('hand-0') });
  t.match(own.body, { pickupChannelId: 'blue', pickedUpAt: /Z$/, pickupCode: pickup.code });
  for (const path of ['report', 'pickups'])
    t.equal((await ask(path, await client.token('hand-0'))).status, 403);
  t.match(await post('/v1/pickups', pickup, await client.token('hand-0')), { status: 403 });
  t.match(await post(`/v1/orders/${first}/move`, { channelId: 'red' }, await client.token('hand-0')), {
    status: 403,
  });
  const more201 = await client.send({
    method: 'POST',
    path: `/v1/sales/${saleId}/reservations`,
    token: await client.token('hand-9'),
    key: randomUUID(),
    body: { lines: [{ sku: 'a', quantity: 1 }], channelId: 'red' },
  });
  t.match(
    more201,
    { status: 409, body: { code: 'channel_full' } },
    'what moved still counts where it was sold',
  );
  await until('both sides agree', async () => (await ask('audit')).body['verdict'] === 'holds');
});
