// Goal: every end of an order is told to the shop's own system, also when order is killed in the middle.
// Method: the whole system, endpoints registered over the gateway, a receiver on loopback that fails at times
// and checks signatures by the library of Standard Webhooks; order is killed while events wait.
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import t from 'tap';
import { buildStack, createSale, oneItem, until, untilRows } from '../support/stack.ts';

const client = await buildStack(t, 'webhooks', { WEBHOOK_ALLOW_PRIVATE: 'true' });
const admin = await client.token('operator', true);
const BUYERS = 40;

interface Told {
  id: string;
  type: string;
  subject: string;
}
const told: Told[] = [];
let secret = '';
let calls = 0;
let forged = 0;
const receiver = createServer((request, response) => {
  let text = '';
  request.setEncoding('utf8').on('data', (part: string) => (text += part));
  request.on('end', () => {
    calls += 1;
    const id = String(request.headers['webhook-id']);
    try {
      new Webhook(secret).verify(text, request.headers as Record<string, string>);
    } catch {
      forged += 1;
    }
    if (calls % 10 === 3) return response.writeHead(500).end();
    const { type, data } = JSON.parse(text) as { type: string; data: { id: string } };
    told.push({ id, type, subject: data.id });
    return response.writeHead(204).end();
  });
});
await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
t.teardown(() => {
  receiver.closeAllConnections();
  receiver.close();
});
const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;

await t.test('only operators register endpoints', async (t) => {
  const body = { url, events: ['order.paid'] };
  const path = '/v1/webhook-endpoints';
  t.match(await client.send({ method: 'POST', path, body }), { status: 401 });
  const buyer = await client.token('u1');
  for (const [method, one] of [
    ['POST', path],
    ['GET', path],
    ['GET', `${path}/whe_1`],
    ['DELETE', `${path}/whe_1`],
    ['GET', `${path}/whe_1/deliveries`],
  ] as const) {
    const answer = await client.send({
      method,
      path: one,
      token: buyer,
      ...(method === 'POST' ? { body } : {}),
    });
    t.match(answer, { status: 403, body: { code: 'forbidden' } }, `${method} ${one}`);
  }
  const unknown = await client.send({ path: `${path}/whe_1`, token: admin });
  t.match(unknown, { status: 404, body: { code: 'webhook_endpoint_not_found' } });
  t.match(await client.send({ path: `${path}?page=2`, token: admin }), { status: 400 });
});

await t.test('every end of an order is told at least once, whoever is killed', async (t) => {
  const events = ['order.paid', 'order.cancelled', 'order.expired', 'sale.opened', 'sale.closed'];
  const made = await client.send({
    method: 'POST',
    path: '/v1/webhook-endpoints',
    token: admin,
    body: { url, events },
  });
  t.match(made, { status: 201, headers: { 'cache-control': 'no-store' } });
  secret = String(made.body['secret']);
  const endpoint = String(made.body['id']);

  await createSale(client, 'told', { holdSeconds: 6, items: [oneItem(BUYERS)] });
  const orders = await Promise.all(
    Array.from({ length: BUYERS }, async (_, index) => {
      const token = await client.token(`u${index}`);
      const { body } = await client.send({
        method: 'POST',
        path: '/v1/sales/told/reservations',
        token,
        key: 'k',
        body: { lines: [{ sku: 'a', quantity: 1 }] },
      });
      return { id: String(body['id']), token };
    }),
  );
  await untilRows(client, 'told', BUYERS);
  for (const [index, { id, token }] of orders.entries()) {
    // A third pays, a third cancels, a third walks away.
    const verb = ['pay', 'cancel', undefined][index % 3];
    if (verb !== undefined) await client.send({ method: 'POST', path: `/v1/orders/${id}/${verb}`, token });
    if (index === BUYERS / 2) {
      await client.stack.kill('order');
      await client.stack.restart('order', { WEBHOOK_ALLOW_PRIVATE: 'true' });
    }
  }
  await client.send({ method: 'POST', path: '/v1/sales/told/close', token: admin });
  const heard = (): number => new Set(told.map(({ subject }) => subject)).size;
  await until(`all ${BUYERS} and the sale`, () => heard() === BUYERS + 1, 60_000);
  const ends = new Set<string>();
  for (const { id, token } of orders) {
    const { body } = await client.send({ path: `/v1/orders/${id}`, token });
    const type = `order.${String(body['status'])}`;
    ends.add(type);
    t.same([...new Set(told.filter(({ subject }) => subject === id).map((one) => one.type))], [type], id);
  }
  t.same([...ends].sort(), ['order.cancelled', 'order.expired', 'order.paid'], 'orders ended in each way');
  await until('the sale opened and closed', () => {
    const types = told.filter(({ subject }) => subject === 'told').map(({ type }) => type);
    return types.includes('sale.opened') && types.at(-1) === 'sale.closed';
  });
  t.equal(forged, 0, 'each was signed');
  const path = `/v1/webhook-endpoints/${endpoint}/deliveries?state=delivered&limit=100`;
  // Each event counts once, however often it was tried.
  await until(
    'each is stored as delivered',
    async () => {
      const { body } = await client.send({ path, token: admin });
      return (body['data'] as unknown[]).length === BUYERS + 2;
      // The killed process keeps its attempts for 30 s.
    },
    60_000,
  );

  const logs = join(import.meta.dirname, '../../.run', client.name);
  const found = execFileSync('bash', [
    '-c',
    `grep -rlF --include='*.log' -- "$0" "$1" || true`,
    secret.slice(6),
    logs,
  ]);
  t.equal(found.toString(), '', 'no log has the secret');
});
