// Goal: every route refuses what it does not understand, before anything happens; a malformed path and an
// unknown method take the way of every request.
// Method: the real app on a real socket; order is a small server that counts what reaches it.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { request } from 'undici';
import { startGateway, tokenOf } from '../support/gateway.ts';

const ORDER_ID = 'oranges.0.abcdefghijklmnopqrstuv';
const JSON_TYPE = { 'content-type': 'application/json' };

/** Every route that takes no body, and every route that takes no more than a reason. */
const BODILESS: ['GET' | 'POST', string][] = [
  ['POST', `/v1/orders/${ORDER_ID}/cancel`],
  ['POST', `/v1/orders/${ORDER_ID}/pay`],
  ['POST', '/v1/sales/oranges/pause'],
  ['POST', '/v1/sales/oranges/resume'],
  ['POST', '/v1/sales/oranges/close'],
  ['GET', '/v1/sales/oranges'],
  ['GET', '/v1/sales/oranges/audit'],
  ['GET', `/v1/orders/${ORDER_ID}`],
  ['GET', '/v1/orders'],
];

async function build(
  t: Test,
  onOrder?: (request: IncomingMessage, response: ServerResponse) => void,
  environment: Record<string, string> = {},
) {
  const reached: string[] = [];
  const order = createServer((request, response) => {
    // Before an operator's change the gateway asks order for the time, which changes nothing.
    if (request.url === '/v1/clock') {
      response.writeHead(200, JSON_TYPE).end(JSON.stringify({ now: Date.now() }));
      return;
    }
    reached.push(`${request.method ?? ''} ${request.url ?? ''}`);
    if (onOrder !== undefined) {
      onOrder(request, response);
      return;
    }
    response.writeHead(200, JSON_TYPE).end('{}');
  });
  order.listen(0, '127.0.0.1');
  await once(order, 'listening');
  const { port } = order.address() as AddressInfo;
  const gateway = await startGateway({
    ORDER_URL: `http://127.0.0.1:${port}`,
    PAYMENTS: 'sandbox',
    RATE_LIMIT_USER_MAX: '1000',
    ...environment,
  });
  const url = await gateway.app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(async () => {
    await gateway.stop();
    order.closeAllConnections();
    order.close();
  });
  const authorization = `Bearer ${await tokenOf('u1', 'sale:admin')}`;
  async function send(
    method: 'GET' | 'POST',
    path: string,
    options: { headers?: Record<string, string>; body?: string } = {},
  ) {
    const answer = await request(`${url}${path}`, {
      method,
      headers: { authorization, ...options.headers },
      body: options.body ?? null,
    });
    const text = await answer.body.text();
    const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
    return { status: answer.statusCode, headers: answer.headers, text, body };
  }
  return { url, send, reached, gateway };
}

await t.test('a body that a call does not take is refused before anything happens', async (t) => {
  const { send, reached } = await build(t);
  for (const [method, path] of BODILESS) {
    const name = `${method} ${path}`;
    const body = JSON.stringify({ at: '2030-01-01T00:00:00Z' });
    const answer = await send(method, path, { headers: JSON_TYPE, body });
    const field = method === 'GET' ? 'body' : 'at';
    t.match(answer, { status: 400, body: { code: 'invalid_request', field } }, name);
    for (const text of ['[]', 'null', '"x"', '0']) {
      t.equal((await send(method, path, { headers: JSON_TYPE, body: text })).status, 400, `${name} ${text}`);
    }
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const status = method === 'GET' ? 400 : 415;
    t.equal((await send(method, path, { headers: form, body: 'a=b' })).status, status, `${name} as a form`);
  }
  t.same(reached, [], 'order heard of nothing');
});

await t.test('an empty body is none, whatever its content type says', async (t) => {
  const { url, send, reached } = await build(t);
  for (const [method, path] of BODILESS.filter(([verb]) => verb === 'POST')) {
    const before = reached.length;
    for (const body of ['', ' \n', '{}']) await send(method, path, { headers: JSON_TYPE, body });
    t.equal(reached.length - before, 3, `${path}: each reached order`);
    const types = ['application/x-www-form-urlencoded', 'text/plain', 'application/octet-stream', '', 'x'];
    for (const type of types) {
      const { status } = await send('POST', path, { headers: { 'content-type': type }, body: '' });
      t.not(status, 415, `${path} as ${type}`);
    }
    t.equal(reached.length - before, 3 + types.length, `${path}: so did each of another type`);
  }
  const raw = async (chunks: string) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    const head = `host: x\r\nauthorization: Bearer ${await tokenOf('u1')}\r\nconnection: close\r\n`;
    socket.write(`GET /v1/orders/${ORDER_ID} HTTP/1.1\r\n${head}transfer-encoding: chunked\r\n\r\n${chunks}`);
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    return text;
  };
  t.match(await raw('0\r\n\r\n'), /^HTTP\/1\.1 200 /, 'no chunk is no body');
  t.match(await raw('1\r\nx\r\n0\r\n\r\n'), /^HTTP\/1\.1 400 /, 'a byte is one');
});

await t.test('a call that needs a body refuses an empty one', async (t) => {
  const { send, reached } = await build(t);
  for (const path of ['/v1/sales', '/v1/sales/oranges/items/a/restock', '/v1/sales/oranges/reservations']) {
    const answer = await send('POST', path, { headers: { ...JSON_TYPE, 'idempotency-key': 'k' }, body: '' });
    t.match(answer, { status: 400, body: { code: 'invalid_request', field: 'body' } }, path);
  }
  t.same(reached, []);
});

await t.test('a body that names a member twice is refused, for nobody can tell which is meant', async (t) => {
  const { send, reached } = await build(t);
  const bodies: [string, string][] = [
    ['/v1/sales/oranges/close', '{"reason":"a","reason":"b"}'],
    ['/v1/sales/oranges/items/a/restock', '{"quantity":1,"quantity":2}'],
    ['/v1/sales/oranges/reservations', '{"lines":[{"sku":"a","quantity":1,"quantity":2}]}'],
    ['/v1/sales/oranges/reservations', '{"lines":[{"sku":"a","quantity":1}],"metadata":{"a":1,"\\u0061":2}}'],
  ];
  for (const [path, body] of bodies) {
    const answer = await send('POST', path, { headers: { ...JSON_TYPE, 'idempotency-key': 'k' }, body });
    t.match(answer, { status: 400, body: { code: 'invalid_request', field: 'body' } }, body);
  }
  t.same(reached, []);
  const reason = String.raw`{"reason":"\"a:b\": {\\ \" : 1"}`;
  await send('POST', '/v1/sales/oranges/close', { headers: JSON_TYPE, body: reason });
  t.equal(reached.length, 1, 'a colon within a text is none');
});

await t.test('a query parameter that a call does not take is refused', async (t) => {
  const { send, reached } = await build(t);
  const others: ['POST', string][] = [
    ['POST', '/v1/sales'],
    ['POST', '/v1/sales/oranges/items/a/restock'],
    ['POST', '/v1/sales/oranges/reservations'],
  ];
  for (const [method, path] of [...BODILESS, ...others]) {
    const answer = await send(method, `${path}?dryRun=true`);
    t.match(answer, { status: 400, body: { code: 'invalid_request' } }, `${method} ${path}`);
    t.match(String(answer.body['field']), /dryRun|body/);
  }
  t.same(reached, []);
  t.equal((await send('GET', '/livez?probe=1')).status, 200, 'health takes what a probe carries');
});

await t.test('a query that is not UTF-8, percent-encoded, is refused on every route', async (t) => {
  const { url, send, reached } = await build(t);
  const contract = (await (await request(`${url}/openapi.json`)).body.json()) as { paths: object };
  let tried = 0;
  for (const [path, operations] of Object.entries(contract.paths)) {
    // A signed notice is money whatever comes with it, and a probe carries what its maker thought of.
    if (/notifications$|^\/(livez|readyz)$/.test(path)) continue;
    for (const method of ['get', 'post'] as const) {
      if (!(method in (operations as object))) continue;
      for (const bad of ['%ff', '%', '%zz', 'a%E0%A4%A', '%ED%A0%80']) {
        const where = path.replace('{orderId}', ORDER_ID).replace(/\{\w+\}/g, '1-1');
        const { status, body } = await send(
          method === 'get' ? 'GET' : 'POST',
          `${where}?limit=5&userId=${bad}`,
        );
        t.match(
          { status, body },
          { status: 400, body: { code: 'invalid_request' } },
          `${method} ${path} ${bad}`,
        );
        tried += 1;
      }
    }
  }
  t.ok(tried > 80, `${tried} were tried`);
  for (const [query, field] of [
    ['userId=%ff', 'userId'],
    ['limit=5&userId=%zz&cursor=%ff', 'userId'],
    ['%ff=1', 'query'],
  ] as const) {
    t.match(await send('GET', `/v1/orders?${query}`), { status: 400, body: { field } }, query);
  }
  t.same(reached, []);
  await send('GET', '/v1/orders?userId=u%31');
  t.equal(reached.length, 1, 'what is encoded is taken');
});

await t.test('a header or parameter that would be ignored is refused, and the answer says why', async (t) => {
  const { send, reached } = await build(t);
  const ifMatch = { 'if-match': '"3"' };
  const key = { 'idempotency-key': 'k' };
  const lines = [{ sku: 'a', quantity: 1 }];
  const price = { amount: 1, currency: 'CNY' };
  const sale = {
    title: 'Pears',
    closesAt: '2030-01-01T00:00:00Z',
    items: [{ sku: 'a', title: 'Pear', price, total: 1 }],
  };
  const hook = { url: 'https://shop.example/hook', events: ['order.paid'] };
  const posts: [string, object, Record<string, string>, string][] = [
    [`/v1/orders/${ORDER_ID}/cancel`, { reason: 'asked by phone' }, ifMatch, 'If-Match'],
    [`/v1/orders/${ORDER_ID}/returns`, { lines, restock: true }, { ...ifMatch, ...key }, 'If-Match'],
    [`/v1/orders/${ORDER_ID}/move`, { channelId: 'a' }, ifMatch, 'If-Match'],
    ['/v1/webhook-endpoints', hook, ifMatch, 'If-Match'],
    ['/v1/sales', { ...sale, id: 'pears' }, ifMatch, 'If-Match'],
    ['/v1/sales', sale, key, 'Idempotency-Key'],
  ];
  for (const [path, body, headers, field] of posts) {
    const answer = await send('POST', path, {
      headers: { ...JSON_TYPE, ...headers },
      body: JSON.stringify(body),
    });
    t.match(answer, { status: 400, body: { code: 'invalid_request', field } }, `${path} ${field}`);
    t.match(answer.body['detail'], field);
  }
  for (const [path, field] of [
    ['/v1/sales/oranges/pickups?format=csv&limit=5', 'limit'],
    ['/v1/sales/oranges/report?table=refs', 'table'],
  ] as const) {
    t.match(await send('GET', path), { status: 400, body: { code: 'invalid_request', field } }, path);
  }
  t.same(reached, [], 'before anything happens');
  await send('POST', '/v1/sales/oranges/pause', { headers: ifMatch });
  t.equal(reached.length, 1, 'a change of a sale takes its version');
});

await t.test('a malformed path is refused like any request: by token, limits, headers and log', async (t) => {
  const { url, send, reached, gateway } = await build(t);
  const long = 'x'.repeat(129);
  for (const part of ['%ff', '%', '%zz', '%E0%A4%A', long]) {
    const path = `/v1/orders/${part}`;
    const answer = await send('GET', path);
    t.match(answer, { status: 400, body: { code: 'invalid_request', field: 'path' } }, part.slice(0, 9));
    t.notMatch(answer.text, part, 'the URL is not echoed');
    t.match(answer.headers, { 'x-content-type-options': 'nosniff', ratelimit: /r=/ });
    const stranger = await request(`${url}${path}`);
    t.equal(stranger.statusCode, 401, 'the token comes first');
    await stranger.body.dump();
    const unknown = await send('GET', `/v9/${part}`);
    t.match(unknown, { status: 404, body: { code: 'not_found' } });
    t.notMatch(unknown.text, part);
  }
  t.same(reached, []);
  const metrics = await gateway.registry.metrics();
  t.match(metrics, /request_seconds_count\{method="GET",route="\/v1\/orders\/:orderId",status="400"\} 5/);
});

await t.test('a method that a path does not take is 405, known to Node or not', async (t) => {
  const { url, gateway } = await build(t);
  const { port } = new URL(url);
  const say = async (line: string) => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.end(`${line}\r\nhost: x\r\nconnection: close\r\n\r\n`);
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    return text;
  };
  const long = `/v1/sales/oranges?a=${'x'.repeat(3_000)}`;
  for (const [method, target] of [
    ...[
      'QUERY',
      'FOO',
      'PROPFIND',
      'DELETE',
      'get',
      'FOO_BAR',
      'X1',
      'GETX',
      'DESCRIBE',
      "a!#$%&'*+.^`|~",
    ].map((name) => [name, '/v1/sales/oranges']),
    ['FOO', `http://127.0.0.1:${port}/v1/sales/oranges?a=b`],
    ['FOO', long],
    ['FOO', '/docs/static/swagger-ui.css'],
    ['QUERY', '/docs/static/swagger-ui.css'],
  ] as [string, string][]) {
    const text = await say(`${method} ${target} HTTP/1.1`);
    t.match(text, /^HTTP\/1\.1 405 /, `${method} ${target.slice(0, 40)}`);
    t.match(text, /\r\nallow: [A-Z, ]*GET/i, method);
    t.match(text, /"code":"method_not_allowed"/);
    t.match(
      text,
      /\r\nx-content-type-options: nosniff\r\ncontent-security-policy: default-src 'none'/i,
      method,
    );
  }
  for (const method of ['FOO', 'QUERY']) {
    t.match(await say(`${method} /nothing HTTP/1.1`), /^HTTP\/1\.1 404 [^]*"code":"not_found"/, method);
  }
  const tunnel = await say('CONNECT 127.0.0.1:1 HTTP/1.1');
  t.match(tunnel, /^HTTP\/1\.1 405 [^]*\r\nallow: \r\n[^]*"code":"method_not_allowed"/, 'no tunnel');
  const metrics = await gateway.registry.metrics();
  t.match(metrics, /request_seconds_count\{method="unknown",route="unknown",status="405"\} 11\n/);
  t.match(metrics, /request_seconds_count\{method="unknown",route="unknown",status="404"\} 1\n/);
});

await t.test('what never became a request is answered with the headers of every answer', async (t) => {
  const { url } = await build(t);
  const { port } = new URL(url);
  const say = async (text: string) => {
    const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
    socket.write(text);
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    socket.destroy();
    return answer;
  };
  const head = 'GET /v1/sales/oranges HTTP/1.1\r\nhost: x\r\n';
  const answers = await Promise.all([
    say(`${head}x: ${'y'.repeat(20_000)}\r\n\r\n`),
    // The rest of the headers never comes.
    say(head),
    say('nonsense\r\n\r\n'),
  ]);
  for (const [index, status] of ['431', '408', '400'].entries()) {
    const answer = answers[index] ?? '';
    t.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
    for (const header of [
      /\r\nx-content-type-options: nosniff\r\n/,
      /\r\ncontent-security-policy: default-src 'none'/,
      /\r\nreferrer-policy: no-referrer\r\n/,
      /\r\nx-request-id: [0-9a-f-]{36}\r\n/,
      /\r\ndate: /,
      /\r\nconnection: close\r\n/,
    ]) {
      t.match(answer, header, status);
    }
    if (status !== '400') t.match(answer, /\r\ncontent-length: 0\r\n[^]*\r\n\r\n$/, 'no body');
  }
});

await t.test('bytes behind a good request do not take its answer', async (t) => {
  const { url, reached } = await build(t, (_request, response) => {
    setTimeout(() => void response.writeHead(200, JSON_TYPE).end(JSON.stringify({ id: ORDER_ID })), 150);
  });
  const { port } = new URL(url);
  const say = async (text: string) => {
    const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
    socket.write(text);
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    socket.destroy();
    return answer;
  };
  const head = `host: x\r\nauthorization: Bearer ${await tokenOf('u1', 'sale:admin')}\r\n`;
  const cancel = `/v1/orders/${ORDER_ID}/cancel`;
  const good = `POST ${cancel} HTTP/1.1\r\n${head}content-type: application/json\r\ncontent-length: 2\r\n\r\n{}`;
  const behind = {
    'a byte too many': '}',
    'an unknown method': 'FOO /v1/sales/oranges HTTP/1.1\r\n\r\n',
    'no HTTP': '\u0016\u0003\u0001',
    'a bad header': `GET /v1/sales/oranges HTTP/1.1\r\nbad header\r\n\r\n`,
    'too long a header': `GET /v1/sales/oranges HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`,
    'a bad chunk': `POST ${cancel} HTTP/1.1\r\n${head}transfer-encoding: chunked\r\n\r\nzz\r\n`,
    'two more, of which the second is bad': `${good}x`,
  };
  const answers = await Promise.all(Object.values(behind).map((text) => say(`${good}${text}`)));
  for (const [index, name] of Object.keys(behind).entries()) {
    t.match(answers[index], /^HTTP\/1\.1 200 /, name);
    // The request with the bad chunk was taken up by its headers, and may hear that it failed.
    if (name !== 'a bad chunk')
      t.notMatch(answers[index], /HTTP\/1\.1 [45]/, `${name}: nothing else is said`);
  }
  t.equal(reached.length, answers.length + 1, 'each good request was taken up, and answered');
  // The answer is larger than the sockets' buffers, and rubbish goes on coming while it leaves.
  const listUrl = `GET /openapi.json HTTP/1.1\r\n${head}\r\n`;
  const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => undefined);
  socket.write(`${listUrl}${listUrl}${listUrl}x`);
  const rubbish = setInterval(() => socket.write('more rubbish\r\n'), 5);
  await new Promise((resolve) => setTimeout(resolve, 300));
  let length = 0;
  for await (const chunk of socket) length += (chunk as Buffer).length;
  clearInterval(rubbish);
  socket.destroy();
  const whole = (await (await fetch(`${url}/openapi.json`)).arrayBuffer()).byteLength;
  t.ok(length > 3 * whole, `${length} bytes for three answers of ${whole}`);

  const begun = await say(`POST ${cancel} HTTP/1.1\r\n${head}transfer-encoding: chunked\r\n\r\nzz\r\n`);
  t.match(begun, /^HTTP\/1\.1 4/, 'a request that itself is bad is refused');
});

/** Starts an order that has the row from the given look on. The hold is there from the beginning. */
async function buildSlowRow(t: Test, comesWith: number) {
  let looks = 0;
  const deadlines: number[] = [];
  const hold = { userId: 'u1', reservation: { id: ORDER_ID, userId: 'u1', status: 'pending' } };
  const stock = createServer((_request, response) => {
    response.writeHead(200, JSON_TYPE).end(JSON.stringify(hold));
  });
  stock.listen(0, '127.0.0.1');
  await once(stock, 'listening');
  t.teardown(() => {
    stock.closeAllConnections();
    stock.close();
  });
  const { port } = stock.address() as AddressInfo;
  const onOrder = ({ method, headers }: IncomingMessage, response: ServerResponse) => {
    if (method === 'POST') deadlines.push(Number(headers['x-deadline']));
    const isStored = ++looks >= comesWith;
    response.writeHead(isStored ? 200 : 404, JSON_TYPE);
    const body = isStored ? { id: ORDER_ID, status: 'cancelled' } : { code: 'order_not_found' };
    response.end(JSON.stringify(body));
  };
  return { ...(await build(t, onOrder, { STOCK_URL: `http://127.0.0.1:${port}` })), deadlines };
}

/** Every change of an order waits for the order's row. */
const CHANGES: Record<string, object> = {
  cancel: {},
  pay: {},
  'cancel ': { reason: 'asked by phone' },
  move: { channelId: 'a' },
  returns: { lines: [{ sku: 'a', quantity: 1 }], restock: true },
};

function sendChange(send: Awaited<ReturnType<typeof build>>['send'], name: string) {
  const body = CHANGES[name] ?? {};
  const hasBody = Object.keys(body).length > 0;
  return send('POST', `/v1/orders/${ORDER_ID}/${name.trim()}`, {
    headers: { 'idempotency-key': 'k', ...(hasBody ? JSON_TYPE : {}) },
    ...(hasBody ? { body: JSON.stringify(body) } : {}),
  });
}

await t.test('what changes an order waits for a row that is on its way, and not for ever', async (t) => {
  const built = [];
  for (const name of Object.keys(CHANGES)) {
    built.push({ name, late: await buildSlowRow(t, 5), never: await buildSlowRow(t, Infinity) });
  }
  // To assemble gateways keeps the loop busy, which they would take for a freeze of theirs.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await Promise.all(
    built.map(async ({ name, late: { send, deadlines }, never }) => {
      const began = Date.now();
      t.match(await sendChange(send, name), { status: 200, body: { status: 'cancelled' } }, name);
      // A gateway that freezes while it waits must not act when it wakes: order is told until when it may.
      t.equal(deadlines.length, 2, `${name}: each try has a deadline`);
      t.ok(Math.abs(Number(deadlines[0]) - Number(deadlines[1])) < 500, `${name}: the wait does not move it`);
      t.ok(Number(deadlines[1]) <= Date.now() + 4_000 && Number(deadlines[0]) > began, name);
      const asked = performance.now();
      t.match(await sendChange(never.send, name), { status: 503, body: { code: 'order_not_ready' } }, name);
      const tookMs = performance.now() - asked;
      t.ok(tookMs > 1_900 && tookMs < 6_000, `${name}: after ${tookMs.toFixed(0)} ms`);
    }),
  );
});

await t.test('every change of an order, a pick-up or a refund tells order its deadline', async (t) => {
  const deadlines: unknown[] = [];
  const { send } = await build(t, ({ headers }, response) => {
    deadlines.push(headers['x-deadline']);
    response.writeHead(200, JSON_TYPE).end('{}');
  });
  const bodies: [string, object][] = [
    ['/v1/pickups', { saleId: 'oranges', code: '123456' }],
    ['/v1/refunds/1/done', { reference: 'bank-1' }],
  ];
  for (const [path, body] of bodies)
    await send('POST', path, { headers: JSON_TYPE, body: JSON.stringify(body) });
  t.equal(deadlines.length, 2);
  for (const deadline of deadlines) t.match(deadline, /^\d{13}$/);
});

await t.test('an answer of order comes in the language of the caller', async (t) => {
  const languages: unknown[] = [];
  const { send } = await build(t, ({ headers }, response) => {
    languages.push(headers['accept-language']);
    const document = {
      code: 'sale_not_found',
      detail: headers['accept-language'] === 'zh' ? '没有' : 'none',
    };
    response.writeHead(404, JSON_TYPE).end(JSON.stringify(document));
  });
  const chinese = await send('POST', '/v1/sales/oranges/pause', { headers: { 'accept-language': 'zh-CN' } });
  t.match(chinese.body, { title: '场次不存在', detail: '没有' });
  t.match(chinese.headers, { 'content-language': 'zh-CN', vary: /accept-language/ });
  t.match((await send('POST', '/v1/sales/oranges/pause')).body, { title: 'No such sale', detail: 'none' });
  t.same(languages, ['zh', 'en']);
});

await t.test('a compressed body is refused before anything happens', async (t) => {
  const { send, reached } = await build(t);
  const headers = { ...JSON_TYPE, 'content-encoding': 'gzip', 'idempotency-key': 'k' };
  for (const path of ['/v1/sales', '/v1/sales/oranges/reservations', '/v1/sales/oranges/pause']) {
    t.equal((await send('POST', path, { headers, body: '{}' })).status, 415, path);
  }
  t.same(reached, []);
});

await t.test('a parameter that no id can be is refused on every route, whatever text it is', async (t) => {
  const { url, send, reached } = await build(t);
  const contract = (await (await request(`${url}/openapi.json`)).body.json()) as { paths: object };
  let tried = 0;
  for (const [path, operations] of Object.entries(contract.paths)) {
    // Ids of notices are left out, because order reads them.
    if (!path.includes('{') || path.includes('{noticeId}')) continue;
    for (const method of ['get', 'post'] as const) {
      const operation = (operations as Record<string, { requestBody?: object } | undefined>)[method];
      if (operation === undefined) continue;
      for (const bad of ['%00', '%ff', '%0a', 'a%2Fb', '%E2%80%AE', 'x'.repeat(200)]) {
        const hasBody = operation.requestBody !== undefined;
        const { status, body } = await send(
          method === 'get' ? 'GET' : 'POST',
          path.replaceAll(/\{\w+\}/g, bad),
          {
            headers: { 'idempotency-key': 'k', ...(hasBody ? JSON_TYPE : {}) },
            ...(hasBody ? { body: '{}' } : {}),
          },
        );
        // An order that cannot exist is an unknown one.
        const expected = path.includes('{orderId}') ? /^40[04]$/ : /^400$/;
        t.match(String(status), expected, `${method} ${path} ${bad} ${String(body['code'])}`);
        tried += 1;
      }
    }
  }
  t.ok(tried > 80, `${tried} were tried`);
  t.same(reached, []);
});

await t.test('a bad token is told before a bad path, also where none is needed', async (t) => {
  const { url } = await build(t);
  for (const path of [
    '/v1/sales',
    '/v1/sales/%ff',
    '/v1/sales/A%00',
    '/v1/sales/a',
    '/v1/sales/a/channels',
    '/v1/sales/a/events',
  ]) {
    const { statusCode, body } = await request(`${url}${path}`, { headers: { authorization: 'Bearer x' } });
    t.match(
      { statusCode, ...((await body.json()) as object) },
      { statusCode: 401, code: 'unauthenticated' },
      path,
    );
  }
});
