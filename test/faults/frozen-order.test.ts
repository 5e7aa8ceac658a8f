// Goal: what was asked of an order or a gateway that was frozen does nothing when it wakes: no operator's
// change undoes a newer one that another process made meanwhile, of whatever kind it is.
// Method: the calls come as a gateway sends them, each with its deadline, and lie unread in the sockets of an
// order that was stopped (SIGSTOP), and as an operator sends them in those of a gateway; or they have begun,
// and wait in PostgreSQL for a lock when the order is stopped.
// Another gateway and another order decide otherwise. Then the process wakes.
import { campaign } from '@seckill/testing';
import pg from 'pg';
import { Pool } from 'undici';
import t, { type Test } from 'tap';
import { reserveOne } from '../support/reserve.ts';
import { buildStack, createSale, until, untilRows } from '../support/stack.ts';

const SECONDS = campaign({ short: 1, full: 3 }) === 1 ? [3] : [3, 30, 120];
/** What a gateway gives order for its decision. */
const DECISION_MS = 2_000;
const CHANNELS = ['here', 'late', 'newer'].map((id) => ({
  id,
  kind: 'store',
  title: id,
  pickupPointId: `store-${id}`,
}));
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

t.setTimeout(600_000);
const client = await buildStack(t, 'frozen-order');
const { stack } = client;
const frozen = await stack.startProcess({ service: 'order', name: 'order-2' });
const frozenGateway = await stack.startProcess({ service: 'gateway', name: 'gateway-2' });
const byFrozen = new Pool(frozen.url, { connections: 32 });
const byGateway = new Pool(frozenGateway.url, { connections: 32 });
const postgres = new pg.Client({ connectionString: stack.info.postgres });
await postgres.connect();
t.teardown(async () => {
  await Promise.all([byFrozen.close(), byGateway.close()]);
  await postgres.end();
});
const admin = await client.token('operator', true);
const signal = (what: 'SIGSTOP' | 'SIGCONT') => {
  for (const { child } of [frozen, frozenGateway]) process.kill(child.pid, what);
};

interface Change {
  method: 'POST' | 'PATCH' | 'DELETE';
  path: string;
  body?: object;
  key?: string;
}

/** As the gateway that asked for the clock before the freeze. */
const askFrozen = async (change: Change, deadline: number): Promise<number> =>
  ask(byFrozen, change, {
    authorization: `Bearer ${stack.info.gatewayToken}`,
    'x-user-id': 'operator',
    'x-deadline': String(deadline),
  });

/** As an operator. The public paths of orders do not name the sale. */
const askGateway = async ({ path, ...change }: Change): Promise<number> =>
  ask(
    byGateway,
    { ...change, path: path.replace(/^\/v1\/sales\/[^/]+\/orders/, '/v1/orders') },
    { authorization: `Bearer ${admin}` },
  );

/** @returns the status; 0: the connection ended. */
async function ask(
  pool: Pool,
  { method, path, body, key }: Change,
  headers: Record<string, string>,
): Promise<number> {
  try {
    const answer = await pool.request({
      method,
      path,
      headers: {
        ...headers,
        ...(key === undefined ? {} : { 'idempotency-key': key }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      headersTimeout: 200_000,
    });
    await answer.body.dump();
    return answer.statusCode;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'ECONNRESET' || code === 'UND_ERR_SOCKET') return 0;
    throw error;
  }
}

/** Through the other gateway and the other order, again while a lock is in the way. */
async function decide({ method, path, body, key }: Change): Promise<void> {
  const request = { method, path, token: admin, ...(key === undefined ? {} : { key }) };
  await until(`${method} ${path}`, async () => {
    const { status } = await client.send({ ...request, ...(body === undefined ? {} : { body }) });
    return status === 200;
  });
}

const readDeadline = async (): Promise<number> => {
  const { body } = await byFrozen.request({
    method: 'GET',
    path: '/v1/clock',
    headers: { authorization: `Bearer ${stack.info.gatewayToken}` },
  });
  return ((await body.json()) as { now: number }).now + DECISION_MS;
};

async function createEndpoint(): Promise<string> {
  const body = { url: 'https://shop.example/hook', events: ['order.refused'] };
  const answer = await client.send({ method: 'POST', path: '/v1/webhook-endpoints', token: admin, body });
  return String(answer.body['id']);
}

/** A sale with one order, and endpoints of webhooks; what is asked of the frozen order, and what after it. */
async function build(name: string) {
  await createSale(client, name, {
    channels: CHANNELS,
    items: [{ sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total: 100 }],
  });
  const path = `/v1/sales/${name}`;
  const told = await reserveOne(client, client.http, name, 'u1', 'first');
  const orderId = (JSON.parse(told.text) as { id: string }).id;
  await untilRows(client, name, 1);
  const [patched, rotated, removed] = await Promise.all([
    createEndpoint(),
    createEndpoint(),
    createEndpoint(),
  ]);
  const endpoint = (id: string | undefined) => `/v1/webhook-endpoints/${id}`;
  const late: Record<string, Change> = {
    pause: { method: 'POST', path: `${path}/pause`, body: {} },
    pauseItem: { method: 'POST', path: `${path}/items/a/pause`, body: {} },
    patch: { method: 'PATCH', path, body: { title: 'late' } },
    restock: { method: 'POST', path: `${path}/items/a/restock`, body: { quantity: 7 }, key: 'late' },
    move: { method: 'POST', path: `${path}/orders/${orderId}/move`, body: { channelId: 'late' } },
    patchEndpoint: { method: 'PATCH', path: endpoint(patched), body: { state: 'paused' } },
    rotate: { method: 'POST', path: `${endpoint(rotated)}/rotate` },
    removeEndpoint: { method: 'DELETE', path: endpoint(removed) },
    createEndpoint: {
      method: 'POST',
      path: '/v1/webhook-endpoints',
      body: { url: `https://${name}.example/late`, events: ['order.refused'] },
    },
  };
  const newer: Change[] = [
    { method: 'POST', path: `${path}/resume` },
    { method: 'POST', path: `${path}/items/a/resume` },
    { method: 'PATCH', path, body: { title: 'newer' } },
    { method: 'POST', path: `/v1/orders/${orderId}/move`, body: { channelId: 'newer' } },
    { method: 'PATCH', path: endpoint(patched), body: { state: 'enabled' } },
  ];
  const standsAsDecided = async (t: Test) => {
    const sale = await client.send({ path, token: admin });
    t.match(sale.body, { state: 'open', title: 'newer', items: [{ sku: 'a', total: 100 }] });
    t.notMatch(sale.text, 'paused');
    const order = await client.send({ path: `/v1/orders/${orderId}`, token: admin });
    t.match(order.body, { pickupChannelId: 'newer' });
    const { rows } = await postgres.query(
      'SELECT id, state, old_secret FROM webhook_endpoints WHERE id = ANY ($1) ORDER BY created_at, id',
      [[patched, rotated, removed]],
    );
    t.equal(rows.length, 3, 'no endpoint was removed late');
    for (const row of rows) t.match(row, { state: 'enabled', old_secret: null });
    const made = await postgres.query('SELECT FROM webhook_endpoints WHERE url LIKE $1', [`%${name}%`]);
    t.equal(made.rowCount, 0, 'none was made late');
  };
  return { orderId, patched, late, newer, standsAsDecided };
}

for (const seconds of SECONDS) {
  await t.test(
    `order and gateway frozen for ${seconds} s: a late change undoes nothing that came after it`,
    async (t) => {
      const { late, newer, standsAsDecided } = await build(`frozen-order-${seconds}`);
      const deadline = await readDeadline();
      signal('SIGSTOP');
      const told = Object.entries(late).flatMap(([name, change]) => [
        askFrozen(change, deadline).then((status) => [`${name}, order`, status] as const),
        askGateway(change).then((status) => [`${name}, gateway`, status] as const),
      ]);
      try {
        await sleep(seconds * 1_000);
        for (const change of newer) await decide(change);
      } finally {
        signal('SIGCONT');
      }
      // A process that was frozen for longer than a connection may be silent (30 s) cuts it when it wakes.
      for (const [name, status] of await Promise.all(told)) {
        t.ok(status === 503 || (status === 0 && seconds >= 30), `${name}: ${status}`);
      }
      await sleep(1_500);
      await standsAsDecided(t);
    },
  );
}

await t.test('order frozen in the middle of a change: what is decided meanwhile stands', async (t) => {
  const { orderId, patched, late, newer, standsAsDecided } = await build('frozen-in-a-change');
  const { move, patchEndpoint } = late as Record<'move' | 'patchEndpoint', Change>;
  await postgres.query('BEGIN');
  await postgres.query('SELECT FROM orders WHERE id = $1 FOR UPDATE', [orderId]);
  await postgres.query('SELECT FROM webhook_endpoints WHERE id = $1 FOR UPDATE', [patched]);
  const deadline = await readDeadline();
  const told = [move, patchEndpoint].map((change) => askFrozen(change, deadline));
  await sleep(500);
  signal('SIGSTOP');
  try {
    // The transactions of the frozen process have the locks now, and nobody goes on with them: PostgreSQL
    // ends them after 3 s (D89).
    await postgres.query('COMMIT');
    for (const change of newer) await decide(change);
  } finally {
    signal('SIGCONT');
  }
  for (const status of await Promise.all(told)) t.ok(status >= 500 || status === 0, `${status}`);
  await sleep(500);
  await standsAsDecided(t);
});
