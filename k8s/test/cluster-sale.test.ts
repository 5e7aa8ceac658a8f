/**
 * Goal: the local overlay, as it is, runs on a real Kubernetes, and sells through its Service.
 * Method: a cluster of one node with the image of `npm run image` and engines of Debian and Maven Central;
 * `kubectl apply -k` with secrets of its own; every pod ready; a sale made, units reserved, paid and counted.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { signToken } from '@seckill/stack';
import t from 'tap';
import { cluster, FORBIDDEN } from './cluster.ts';
import { copyManifests } from './render.ts';

const word = (): string => randomBytes(32).toString('base64url');

const [jwtSecret, redis, postgres] = [word(), word(), word()];

const SECRETS = {
  JWT_SECRET: jwtSecret,
  WEBHOOK_SECRETS: `whsec_${randomBytes(32).toString('base64')}`,
  GATEWAY_TOKEN: word(),
  ORDER_TOKEN: word(),
  STOCK_TOKEN: word(),
  CONTACT_KEY: randomBytes(32).toString('base64'),
  REDIS_PASSWORD: redis,
  REDIS_URL: `redis://:${redis}@redis:6379`,
  POSTGRES_PASSWORD: postgres,
  DATABASE_URL: `postgres://seckill:${postgres}@postgres:5432/seckill`,
};

/** Runs in the node's network, where the Service answers. The call comes by stdin, for it holds a token. */
const ASK = `
let text = '';
process.stdin.on('data', (part) => { text += part; }).on('end', async () => {
  const { url, ...init } = JSON.parse(text);
  const response = await fetch(url, init);
  console.log(JSON.stringify({ status: response.status, body: await response.json() }));
});`;

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

const kubectl = (...args: string[]): ReturnType<typeof cluster> => cluster(['kubectl', ...args]);

async function call(gateway: string, path: string, userId: string, body?: object): Promise<Answer> {
  const isOperator = userId === 'operator';
  const token = await signToken(jwtSecret, { userId, isOperator, ttlSeconds: 3_600 });
  const request = {
    url: `http://${gateway}:8080${path}`,
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'idempotency-key': `${userId}-${path.length}`,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
  const { stdout, stderr } = await cluster(
    ['exec', process.execPath, '-e', ASK],
    [],
    JSON.stringify(request),
  );
  if (stdout === '') throw new Error(`no answer of ${path}: ${stderr}`);
  return JSON.parse(stdout) as Answer;
}

const up = await cluster(['up']);
if (!up.ok && up.stderr.includes(FORBIDDEN)) {
  const skip = up.stderr.slice(up.stderr.indexOf(FORBIDDEN)).trim();
  await t.test('a sale on a cluster of one node', { skip }, () => undefined);
} else {
  t.teardown(() => cluster(['down']));
  const copy = copyManifests();
  t.teardown(() => {
    copy.remove();
  });
  const begun = performance.now();
  const tell = (what: string): void => {
    t.comment(`${what}: ${((performance.now() - begun) / 1000).toFixed(0)} s after the cluster was up`);
  };

  await t.test('every pod of the local overlay gets ready', async (t) => {
    t.equal(up.ok, true, up.stderr);
    const loaded = await cluster(['load']);
    t.equal(loaded.ok, true, loaded.stderr);
    tell('images loaded');
    const lines = Object.entries(SECRETS).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(join(copy.folder, 'overlays/local/secrets.env'), lines.join(''));
    t.match(await kubectl('apply', '-k', join(copy.folder, 'overlays/local')), { ok: true });
    const wait = ['wait', '-n', 'seckill', '--timeout=600s'];
    for (const engine of ['redis-0', 'postgres-0', 'kafka-0'])
      t.match(await kubectl(...wait, '--for=condition=Ready', `pod/${engine}`), { ok: true });
    for (const job of ['migrate', 'topics'])
      t.match(await kubectl(...wait, '--for=condition=Complete', `job/${job}`), { ok: true });
    t.match(await kubectl(...wait, '--for=condition=Available', 'deployment', '--all'), { ok: true });
    tell('every deployment available');
    t.comment((await kubectl('get', 'pods', '-n', 'seckill')).stdout);
  });

  await t.test('a sale is made, and units are reserved, paid and counted through the Service', async (t) => {
    const address = await kubectl(
      'get',
      'service',
      'gateway',
      '-n',
      'seckill',
      '-o',
      'jsonpath={.spec.clusterIP}',
    );
    const gateway = address.stdout;
    t.match(gateway, /^10\.96\./);
    const price = { amount: 1_990, currency: 'CNY' };
    const items = [{ sku: 'pear-2kg', title: 'Pears 2 kg', price, total: 3 }];
    const sale = { id: 'pears-3', title: 'Pears', closesAt: '2099-01-01T00:00:00Z', items };
    t.match(await call(gateway, '/v1/sales', 'operator', sale), { status: 201, body: { state: 'open' } });
    const lines = (quantity: number): object => ({ lines: [{ sku: 'pear-2kg', quantity }] });
    const first = await call(gateway, '/v1/sales/pears-3/reservations', 'u1', lines(2));
    t.match(first, { status: 201, body: { status: 'pending' } });
    const repeated = await call(gateway, '/v1/sales/pears-3/reservations', 'u1', lines(2));
    t.same(repeated.body, first.body, 'a repeat gets the first answer');
    const second = await call(gateway, '/v1/sales/pears-3/reservations', 'u2', lines(2));
    t.match(second, { status: 409, body: { code: 'sold_out', available: 1 } });
    const order = `/v1/orders/${String(first.body['id'])}`;
    t.match(await call(gateway, `${order}/pay`, 'u1', {}), { status: 200, body: { status: 'paid' } });
    t.match(await call(gateway, order, 'u1'), { status: 200, body: { status: 'paid' } });
    let counts: unknown;
    // The settlement reaches Redis through Kafka.
    for (let attempt = 0; attempt < 20; attempt += 1) {
      const { body } = await call(gateway, '/v1/sales/pears-3', 'operator');
      counts = (body['items'] as object[])[0];
      if ((counts as { paid: number }).paid === 2) break;
    }
    t.match(counts, { total: 3, available: 1, held: 0, paid: 2 });
    tell('sold');
  });
}
