// Goal: a group purchase as buyers, operators and the shop's own system see it: missed by one, met exactly,
// of a sale and of a channel, closed by the clock and by hand.
// Method: the whole system over HTTP, with a receiver of webhooks on loopback.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from '@seckill/stack';
import { runAsProcess } from '@seckill/testing';
import pg from 'pg';
import t from 'tap';
import { buildStack, createSale, oneItem, until } from '../support/stack.ts';

const client = await buildStack(t, 'groups', { WEBHOOK_ALLOW_PRIVATE: 'true' });
const operator = await client.token('operator', true);

interface Told {
  type: string;
  data: Record<string, unknown>;
}
const told: Told[] = [];
const receiver = createServer((request, response) => {
  let text = '';
  request.setEncoding('utf8').on('data', (part: string) => (text += part));
  request.on('end', () => {
    told.push(JSON.parse(text) as Told);
    response.writeHead(204).end();
  });
});
await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
t.teardown(() => {
  receiver.closeAllConnections();
  receiver.close();
});

async function reserve(
  saleId: string,
  userId: string,
  quantity: number,
  channelId?: string,
): Promise<string> {
  const answer = await client.send({
    method: 'POST',
    path: `/v1/sales/${saleId}/reservations`,
    token: await client.token(userId),
    key: 'k',
    body: { lines: [{ sku: 'a', quantity }], ...(channelId === undefined ? {} : { channelId }) },
  });
  if (answer.status !== 201) throw new Error(answer.text);
  return String(answer.body['id']);
}

async function pay(userId: string, orderId: string): Promise<number> {
  const path = `/v1/orders/${orderId}/pay`;
  return (await client.send({ method: 'POST', path, token: await client.token(userId) })).status;
}

const readOrder = async (userId: string, orderId: string) =>
  (await client.send({ path: `/v1/orders/${orderId}`, token: await client.token(userId) })).body;

async function untilGroup(userId: string, orderId: string, state: string): Promise<Record<string, unknown>> {
  let order: Record<string, unknown> = {};
  await until(`the group is ${state}`, async () => {
    order = await readOrder(userId, orderId);
    return order['group'] === state;
  });
  return order;
}

async function assertHolds(saleId: string): Promise<void> {
  await until('both sides agree', async () => {
    const { body } = await client.send({ path: `/v1/sales/${saleId}/audit`, token: operator });
    return body['verdict'] === 'holds';
  });
}

await t.test('everyone reads the minimum, and what is none is refused', async (t) => {
  const events = ['group.reached', 'group.failed', 'order.expired', 'order.returned'];
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  const path = '/v1/webhook-endpoints';
  t.match(await client.send({ method: 'POST', path, token: operator, body: { url, events } }), {
    status: 201,
  });
  for (const groupMinimum of [0, 1.5, -3, '3', 10_000_001, null]) {
    const body = { title: 'x', closesAt: '2099-01-01T00:00:00Z', items: [oneItem(1)], groupMinimum };
    const answer = await client.send({ method: 'POST', path: '/v1/sales', token: operator, body });
    t.match(answer, { status: 400, body: { field: 'groupMinimum' } }, String(groupMinimum));
  }
  const channels = [{ id: 'li', kind: 'community', title: 'Li', groupMinimum: 2 }];
  await createSale(client, 'group-shown', { groupMinimum: 9, channels });
  const shown = await client.send({ path: '/v1/sales/group-shown?channel=li' });
  t.match(shown.body, { groupMinimum: 9, channels: [{ id: 'li', groupMinimum: 2 }] });
  const patch = (body: object) =>
    client.send({ method: 'PATCH', path: '/v1/sales/group-shown', token: operator, body });
  t.match(await patch({ groupMinimum: 3 }), { status: 400 }, 'buyers joined it as it was');
  t.match(await patch({ channels: [{ ...channels[0], groupMinimum: 3 }] }), {
    status: 409,
    body: { code: 'not_changeable', field: 'channels.0.groupMinimum' },
  });
});

await t.test('missed by one: money comes back, and the pending order ends', async (t) => {
  const saleId = 'group-missed';
  await createSale(client, saleId, { groupMinimum: 5, items: [oneItem(10)] });
  const paid = await reserve(saleId, 'u1', 3);
  const pending = await reserve(saleId, 'u2', 1);
  t.equal(await pay('u1', paid), 200);
  t.match(await untilGroup('u1', paid, 'waiting'), { status: 'paid', group: 'waiting' });
  const close = { method: 'POST', path: `/v1/sales/${saleId}/close`, token: operator } as const;
  t.match(await client.send(close), { status: 200 });
  t.match(await untilGroup('u1', paid, 'failed'), { status: 'paid' });
  await until('the money is due', async () => (await readOrder('u1', paid))['refundDue'] !== undefined);
  t.match(await readOrder('u1', paid), {
    refundDue: { amount: 300 },
    returned: [{ quantity: 3, restocked: true }],
  });
  await until('the order has expired', async () => (await readOrder('u2', pending))['status'] === 'expired');
  t.equal(await pay('u2', pending), 409);
  await assertHolds(saleId);
  const { body } = await client.send({ path: `/v1/sales/${saleId}`, token: operator });
  t.match(body, { state: 'closed', items: [{ available: 10, held: 0, paid: 0 }] });
  t.match(await client.send({ path: `/v1/refunds?saleId=${saleId}`, token: operator }), {
    body: { data: [{ orderId: paid, reason: 'group_failed', amount: { amount: 300 } }] },
  });
  t.match(await client.send({ path: `/v1/sales/${saleId}/orders`, token: operator }), {
    body: { data: [{ group: 'failed' }, { group: 'failed' }] },
  });
  const toldOf = (type: string) =>
    told.filter((one) => one.type === type && JSON.stringify(one.data).includes(saleId));
  await until('the shop is told', async () =>
    ['group.failed', 'order.expired', 'order.returned'].every((type) => toldOf(type).length > 0),
  );
  t.match(
    toldOf('order.returned'),
    [{ data: { id: paid, status: 'paid', returned: [{ quantity: 3, restocked: true }] } }],
    'what came back, once',
  );
  t.match(toldOf('order.expired'), [{ data: { id: pending, status: 'expired' } }]);
  t.match(
    told.find(({ type }) => type === 'group.failed'),
    { data: { id: saleId, group: { minimum: 5, units: 4, state: 'failed' } } },
  );
});

await t.test(
  'a channel meets its minimum exactly once its last hold has ended, the sale misses it',
  async (t) => {
    const saleId = 'group-met';
    const closesAt = new Date(Date.now() + 2_500).toISOString();
    await createSale(client, saleId, {
      groupMinimum: 2,
      closesAt,
      holdSeconds: 5,
      items: [oneItem(10)],
      channels: [{ id: 'li', kind: 'community', title: 'Li', groupMinimum: 3 }],
    });
    const [first, second, third] = await Promise.all([
      reserve(saleId, 'u1', 2, 'li'),
      reserve(saleId, 'u2', 1, 'li'),
      reserve(saleId, 'u3', 1, 'li'),
    ]);
    const alone = await reserve(saleId, 'u4', 1);
    t.equal(await pay('u1', first), 200);
    t.equal(await pay('u4', alone), 200);
    t.match(await untilGroup('u4', alone, 'failed'), { status: 'paid' }, 'decided at the close');
    t.match(await readOrder('u1', first), { group: 'waiting' }, 'two holds may still be paid');
    t.equal(await pay('u2', second), 200);
    t.match(await untilGroup('u1', first, 'reached'), { status: 'paid' });
    t.match(await readOrder('u3', third), { status: 'expired', group: 'reached' });
    t.notOk('refundDue' in (await readOrder('u2', second)));
    await assertHolds(saleId);
    await until('the shop is told', async () => told.some(({ type }) => type === 'group.reached'));
    t.match(
      told.find(({ type }) => type === 'group.reached'),
      { data: { id: saleId, group: { channelId: 'li', minimum: 3, units: 3, state: 'reached' } } },
    );
  },
);

await t.test(
  'an order that can never be stored: a person loads the sale anew, and the group is decided',
  async (t) => {
    const saleId = 'group-lost';
    const postgres = new pg.Client({ connectionString: client.stack.info.postgres });
    await postgres.connect();
    t.teardown(() => postgres.end());
    await createSale(client, saleId, { groupMinimum: 2, items: [oneItem(10)] });
    const kept = await reserve(saleId, 'keeper', 3);
    // What PostgreSQL refuses becomes a dead letter, and a replay of it is refused again.
    await postgres.query(`ALTER TABLE orders ADD CONSTRAINT refused CHECK (user_id <> 'cursed') NOT VALID`);
    const lost = await reserve(saleId, 'cursed', 1);
    await until('the order is a dead letter', async () => {
      const { body } = await client.send({ path: `/v1/sales/${saleId}/audit`, token: operator });
      return (body['inFlight'] as { deadLetters: number }).deadLetters > 0;
    });
    t.equal(await pay('keeper', kept), 200);
    await client.send({ method: 'POST', path: `/v1/sales/${saleId}/close`, token: operator });
    await sleep(2_000);
    t.equal((await readOrder('keeper', kept))['group'], 'waiting', 'it is waited for');

    const command = `${ROOT}/services/stock/dist/recovery/rebuild-command.js`;
    const rebuilt = await runAsProcess(command, [saleId, '--name', client.name], { env: process.env });
    t.equal(rebuilt.code, 0, rebuilt.stderr);
    t.match(await untilGroup('keeper', kept, 'reached'), { status: 'paid' });
    t.equal((await readOrder('cursed', lost))['code'], 'order_not_found', 'and the lost one is nowhere');
  },
);
