// Goal: hostile clients get clear answers and the process stays up; no secret reaches a log, in whatever
// place it was sent. Method: the whole system, raw connections, and the logs of all its services afterwards.
import { createHmac, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { buildStack, createSale, oneItem } from '../support/stack.ts';

const client = await buildStack(t, 'hostile-clients');
const { stack } = client;
const { info } = stack;

/** Sends bytes on a raw connection. @returns what it hears until it is closed, and after how long. */
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
  await createSale(client, 'hostile-clients', { items: [oneItem(10)] });
  // This gateway has limits of its own, and believes nobody's X-Forwarded-For.
  const tight = await stack.startProcess({
    service: 'gateway',
    name: 'gateway-tight',
    env: { RATE_LIMIT_ADDRESS_MAX: '50', DRAIN_MS: '0' },
  });
  const port = Number(new URL(info.gateway).port);
  const token = await client.token('u1');
  const head = (length: number) =>
    `POST /v1/sales/hostile-clients/reservations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n` +
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
      path: '/v1/sales/hostile-clients/reservations',
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
    path: '/v1/sales/hostile-clients/reservations',
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
    // The requests may fall into one second or several, in each of which 50 pass.
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
    `/v1/sales/hostile-clients`,
    `/v1/sales/${secret}`,
    '/v1/orders',
    `/v1/orders/hostile.0.${secret}${secret}`,
  ];
  const more = ['pause', 'resume', 'reservations', `items/${secret}/restock`].map(
    (end) => `/v1/sales/hostile-clients/${end}`,
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
  const path = '/v1/sales/hostile-clients/reservations';
  t.equal((await client.send({ method: 'POST', path, token, key: `${secret}-key`, body })).status, 201);

  const folder = join('.run', client.name);
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
