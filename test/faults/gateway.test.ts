// Goal: what the crowd, the network and a deployment do to gateways fails no request and leaks nothing: a rolling restart,
// a stock that dies, hostile clients, secrets in every place. Method: the whole system; the client itself stands in for
// the load balancer: it asks each gateway's /readyz every 100 ms and sends only to those that say 200.
import { createHmac, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import t from 'tap';
import { Pool } from 'undici';
import { buildStack, saleInput, until } from '../support/stack.ts';

const NAME = 'gateways';
// Long against the 100 ms between two looks, so that a busy machine does not matter.
const client = await buildStack(t, NAME, { DRAIN_MS: '2000' });
const { stack } = client;
const { info } = stack;
const admin = await client.token('operator', true);
const redis = new Redis(info.redis);
t.teardown(() => {
  redis.disconnect();
});

async function createSale(id: string, total: number): Promise<void> {
  const items = [{ sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total }];
  const body = saleInput(id, { items });
  const answer = await client.send({ method: 'POST', path: '/v1/sales', token: admin, body });
  if (answer.status !== 201) throw new Error(answer.text);
}

interface Told {
  status: number;
  code?: string;
  text: string;
  retryAfter: number;
}

async function reserve(pool: Pool, saleId: string, userId: string, key: string): Promise<Told> {
  const {
    statusCode: status,
    headers,
    body,
  } = await pool.request({
    method: 'POST',
    path: `/v1/sales/${saleId}/reservations`,
    headers: {
      authorization: `Bearer ${await client.token(userId)}`,
      'idempotency-key': key,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ lines: [{ sku: 'a', quantity: 1 }] }),
  });
  const text = await body.text();
  const { code } = JSON.parse(text) as { code?: string };
  return {
    status,
    text,
    retryAfter: Number(headers['retry-after'] ?? 0),
    ...(code === undefined ? {} : { code }),
  };
}

/** Sends to gateways that are ready, in turn; what it does not know is that one will leave. */
class Balancer {
  readonly #targets = new Map<string, { pool: Pool; isReady: boolean }>();
  readonly #timer: NodeJS.Timeout;
  #next = 0;

  constructor(urls: string[]) {
    for (const url of urls) this.add(url);
    this.#timer = setInterval(() => void this.look(), 100);
  }

  add(url: string): void {
    this.#targets.set(url, { pool: new Pool(url, { connections: 8, pipelining: 1 }), isReady: false });
  }

  async look(): Promise<void> {
    await Promise.all(
      [...this.#targets].map(async ([url, target]) => {
        const isReady = fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1_000) });
        target.isReady = await isReady.then(
          ({ status }) => status === 200,
          () => false,
        );
      }),
    );
  }

  get ready(): number {
    return [...this.#targets.values()].filter(({ isReady }) => isReady).length;
  }

  pick(): Pool {
    const ready = [...this.#targets.values()].filter(({ isReady }) => isReady);
    this.#next += 1;
    const target = ready[this.#next % ready.length];
    if (target === undefined) throw new Error('no gateway is ready');
    return target.pool;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const { pool } of this.#targets.values()) await pool.close();
  }
}

await t.test('a rolling restart of two gateways under steady load fails no request', async (t) => {
  await createSale('rolling', 100_000);
  const second = await stack.startProcess({ service: 'gateway', name: 'gateway-2' });
  const balancer = new Balancer([info.gateway, second.url]);
  t.teardown(() => balancer.close());
  await until('both are ready', async () => balancer.ready === 2);

  const failures: string[] = [];
  let served = 0;
  let isOver = false;
  const buyers = Array.from({ length: 6 }, async (_, buyer) => {
    for (let count = 0; !isOver; count += 1) {
      const key = `${buyer}-${count}`;
      try {
        let answer = await reserve(balancer.pick(), 'rolling', `u${buyer}`, key);
        // A Redis that takes half a second on a busy machine is not the gateways' doing; the repeat must tell the truth.
        if (answer.code === 'outcome_unknown')
          answer = await reserve(balancer.pick(), 'rolling', `u${buyer}`, key);
        if (answer.status === 201) served += 1;
        else failures.push(`${answer.status} ${answer.code ?? ''}`);
      } catch (error) {
        failures.push(String(error));
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });
  await until('the load is steady', async () => served > 100);
  await stack.restart('gateway');
  await until('the first is back', async () => balancer.ready === 2);
  const before = served;
  const stopped = second.child.stop();
  await stopped;
  const third = await stack.startProcess({ service: 'gateway', name: 'gateway-3' });
  balancer.add(third.url);
  await until('the second is replaced', async () => balancer.ready === 2);
  await until('the load goes on', async () => served > before + 100);
  isOver = true;
  await Promise.all(buyers);
  t.same(failures, [], `${served} requests were served`);
  t.equal((await second.child.exited).code, 0, 'and it ended in order');
  t.equal(Number(await redis.hget('seckill:{rolling:0}:state', 'a:held')), served, 'each took one unit');
  await third.child.stop();
});

await t.test('stock is killed in the middle: "unknown", and the same key tells the truth', async (t) => {
  await createSale('killed', 100_000);
  const told = new Map<string, Told>();
  let round = 0;
  const unknown = () => [...told].filter(([, { code }]) => code === 'outcome_unknown').map(([key]) => key);
  for (; unknown().length === 0 && round < 3; round += 1) {
    const sequence = async () => Number(await redis.hget('seckill:{killed:0}:state', 'sequence'));
    const started = await sequence();
    const crowd = Array.from({ length: 2_000 }, async (_, index) => {
      const key = `${round}-${index}`;
      told.set(key, await reserve(client.http, 'killed', `u${key}`, key));
    });
    await until('it is selling', async () => (await sequence()) > started + 50);
    await stack.kill('stock');
    await Promise.all(crowd);
    await stack.restart('stock');
  }
  const lost = unknown();
  t.ok(lost.length > 0, `${lost.length} of ${told.size} are unknown after ${round} rounds`);
  t.ok(
    lost.every((key) => (told.get(key)?.retryAfter ?? 0) > 1),
    'they are asked to wait longer than the memory lasts',
  );
  const others = [...told.values()].filter(
    ({ status, code }) => status !== 201 && code !== 'outcome_unknown',
  );
  const surelyNot = new Set(['sale_unavailable', 'overloaded']);
  t.same(
    others.filter(({ code }) => !surelyNot.has(code ?? '')),
    [],
    'nobody hears anything else',
  );
  const reserved = [...told].filter(([, { status }]) => status === 201);
  const heldBefore = Number(await redis.hget('seckill:{killed:0}:state', 'a:held'));
  t.ok(
    heldBefore >= reserved.length && heldBefore <= reserved.length + lost.length,
    'unknown ones may be made',
  );
  const repeats = await Promise.all(lost.map((key) => reserve(client.http, 'killed', `u${key}`, key)));
  t.ok(
    repeats.every(({ status }) => status === 201),
    'every repeat is definite',
  );
  const held = Number(await redis.hget('seckill:{killed:0}:state', 'a:held'));
  t.equal(held, reserved.length + lost.length, 'INV-4: each key has one unit');
});

/** What a raw connection hears until it is closed, and after how long. */
function raw(port: number, chunks: (string | number)[]): Promise<{ text: string; ms: number }> {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      resolve({ text, ms: performance.now() - startedAt });
    });
    void (async () => {
      for (const chunk of chunks) {
        if (typeof chunk === 'number') await new Promise((wait) => setTimeout(wait, chunk));
        else if (!socket.destroyed) socket.write(chunk);
      }
    })();
  });
}

await t.test('hostile clients get clear answers, and the process stays up', async (t) => {
  await createSale('hostile', 10);
  // Limits of its own; X-Forwarded-For is believed of nobody.
  const tight = await stack.startProcess({
    service: 'gateway',
    name: 'gateway-tight',
    env: { RATE_LIMIT_ADDRESS_MAX: '50', DRAIN_MS: '0' },
  });
  const port = Number(new URL(info.gateway).port);
  const token = await client.token('u1');
  const head = (length: number) =>
    `POST /v1/sales/hostile/reservations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n` +
    `idempotency-key: ${randomUUID()}\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n`;
  const drip = Array.from({ length: 40 }, () => ['x: y\r\n', 500]).flat();
  const slow = Promise.all([
    raw(port, ['GET /livez HTTP/1.1\r\n', ...drip]),
    raw(port, [`${head(1_000)}\r\n{"lines":`, ...Array.from({ length: 40 }, () => [' ', 500]).flat()]),
  ]);

  const deep = (open: string, close: string) => open.repeat(2_000) + close.repeat(2_000);
  for (const body of [
    deep('[', ']'),
    `{"lines":${deep('[', ']')}}`,
    `{"lines":[${deep('{"a":', '}').replace('}', '1}')}]}`,
  ]) {
    const answer = await client.send({
      method: 'POST',
      path: '/v1/sales/hostile/reservations',
      token,
      key: 'k',
      raw: body,
    });
    t.match(answer, { status: 400, body: { code: 'invalid_request' } }, 'deep JSON');
  }
  const cases: [string, string, RegExp][] = [
    ['no HTTP', 'hello\r\n\r\n', /^HTTP\/1\.1 400 [^]*"code":"invalid_request"/],
    ['two lengths', `${head(1)}content-length: 2\r\n\r\n{}`, /^HTTP\/1\.1 400 /],
    ['length and chunks', `${head(1)}transfer-encoding: chunked\r\n\r\n0\r\n\r\n`, /^HTTP\/1\.1 400 /],
    ['a header too large', `${head(2)}x: ${'y'.repeat(20_000)}\r\n\r\n{}`, /^HTTP\/1\.1 431 /],
    ['many headers', `${head(2)}${'x: y\r\n'.repeat(12_000)}\r\n{}`, /^HTTP\/1\.1 431 /],
    [
      'a body too large',
      `${head(20_000)}connection: close\r\n\r\n`,
      /^HTTP\/1\.1 413 [^]*"code":"body_too_large"/,
    ],
  ];
  for (const [name, text, expected] of cases) t.match((await raw(port, [text])).text, expected, name);

  const spoofed = await client.send({
    method: 'POST',
    path: '/v1/sales/hostile/reservations',
    token,
    key: randomUUID(),
    headers: { 'x-user-id': 'u2', 'x-forwarded-for': '1.2.3.4' },
    body: { lines: [{ sku: 'a', quantity: 1 }] },
  });
  t.match(spoofed, { status: 201, body: { userId: 'u1' } }, 'the user comes from the token');
  const orders = await client.send({
    path: '/v1/orders',
    token: await client.token('another-user'),
    headers: { 'x-user-id': 'u1' },
  });
  t.same(orders.body['data'], [], 'nobody reads as somebody else');

  const content = [{ alg: 'HS256' }, { sub: 'u1', exp: 4_000_000_000 }]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const forged = `${content}.${createHmac('sha256', 'x'.repeat(32)).update(content).digest('base64url')}`;
  const floods = { 'forged tokens': '/v1/orders', 'unknown routes': '/wp-admin' };
  for (const [name, path] of Object.entries(floods)) {
    let limited = 0;
    // In one second or over several: 50 pass in each.
    for (let wave = 0; limited === 0 && wave < 20; wave += 1) {
      const statuses = await Promise.all(
        Array.from({ length: 150 }, async (_, index) => {
          const headers = { authorization: `Bearer ${forged}`, 'x-forwarded-for': `9.9.9.${index}` };
          const answer = await fetch(`${tight.url}${path}`, { headers });
          await answer.arrayBuffer();
          return answer.status;
        }),
      );
      limited = statuses.filter((status) => status === 429).length;
      const expected = path === '/v1/orders' ? 401 : 404;
      t.ok(
        statuses.every((status) => status === 429 || status === expected),
        name,
      );
    }
    t.ok(limited > 0, `${name} are bounded by the address of the socket`);
  }
  t.equal((await fetch(`${tight.url}/readyz`)).status, 200, 'health is exempt');

  for (const [index, { text, ms }] of (await slow).entries()) {
    t.match(text, /^HTTP\/1\.1 408 /, index === 0 ? 'headers byte by byte' : 'a body byte by byte');
    t.ok(ms < 19_000, 'they do not hold their connection for as long as they like');
  }
  t.equal((await client.send({ path: '/livez' })).status, 200, 'the process is up');
});

await t.test('no secret, token, user or key reaches a log, whatever route it is sent through', async (t) => {
  const secret = 'SECRETmarker';
  const user = 'private-user-7731';
  const token = await client.token(user);
  const operator = await client.token(user, true);
  const paths = [
    '/v1/sales',
    `/v1/sales/hostile`,
    `/v1/sales/${secret}`,
    '/v1/orders',
    `/v1/orders/hostile.0.${secret}${secret}`,
  ];
  const more = ['pause', 'resume', 'reservations', `items/${secret}/restock`].map(
    (end) => `/v1/sales/hostile/${end}`,
  );
  const ends = ['cancel', 'pay'].map((end) => `/v1/orders/hostile.0.${secret}${secret}/${end}`);
  for (const path of [
    ...paths,
    ...more,
    ...ends,
    '/v1/payments/notifications',
    '/livez',
    '/readyz',
    `/${secret}`,
  ]) {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE'] as const) {
      for (const authorization of [token, operator, secret, `${token}x`]) {
        await client.send({
          method,
          path: `${path}?token=${secret}`,
          token: authorization,
          key: `${secret}-key`,
          headers: {
            cookie: `session=${secret}`,
            'x-user-id': secret,
            'x-forwarded-for': secret,
            'webhook-id': secret,
            'webhook-signature': `v1,${secret}`,
            'user-agent': secret,
          },
          ...(method === 'POST'
            ? { body: { lines: [{ sku: 'a', quantity: 1 }], ref: secret, [secret]: secret } }
            : {}),
        });
      }
    }
  }
  const body = { lines: [{ sku: 'a', quantity: 1 }], ref: secret };
  const path = '/v1/sales/hostile/reservations';
  t.equal((await client.send({ method: 'POST', path, token, key: `${secret}-key`, body })).status, 201);

  const folder = join('.run', `${NAME}-${process.pid}`);
  const logs = readdirSync(folder).filter((file) => /^(gateway.*|stock|order)\.log$/.test(file));
  t.ok(logs.length >= 3);
  const text = logs.map((file) => readFileSync(join(folder, file), 'utf8')).join('');
  t.match(text, '"route":"/v1/sales/:saleId/reservations","status":201', 'requests are logged');
  const secrets = [
    secret,
    user,
    token,
    operator,
    info.jwtSecret,
    info.webhookSecret,
    info.gatewayToken,
    info.orderToken,
  ];
  for (const [index, one] of [...secrets, info.stockToken].entries()) {
    const line = text.split('\n').find((each) => each.includes(one));
    t.equal(line?.slice(0, 300), undefined, `secret ${index}`);
  }
});
