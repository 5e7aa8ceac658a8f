// Goal: every error leaves as problem+json with the code of docs/http-api.md. Method: a small app on
// Fastify's own inject.
import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { LIMITS, ReserveRequest } from '@seckill/contracts';
import { pino } from 'pino';
import t from 'tap';
import { createHttp, Problem } from '../../src/index.ts';

function build(options: { isReady?: boolean } = {}) {
  const app = createHttp({
    logger: pino({ enabled: false }),
    isReady: () => options.isReady ?? true,
    docsBaseUrl: 'https://docs.example',
  });
  app.post('/things/:id', { schema: { body: ReserveRequest } }, async () => ({ fine: true }));
  app.get('/sold-out', async () => {
    throw new Problem('sold_out', { extra: { sku: 'a', available: 0, final: true } });
  });
  app.get('/bug', async () => {
    throw new Error('secret detail');
  });
  return app;
}

const body = { lines: [{ sku: 'a', quantity: 1 }] };

await t.test('each malformed request gets the code of the contract', async (t) => {
  const app = build();
  const post = (payload: string, contentType = 'application/json') =>
    app.inject({ method: 'POST', url: '/things/1', payload, headers: { 'content-type': contentType } });
  const line = { sku: 'a', quantity: 1 };
  const cases: [string, Awaited<ReturnType<typeof post>>, number, string, string?][] = [
    ['bad JSON', await post('{"lines":'), 400, 'invalid_request'],
    ['empty body', await post(''), 400, 'invalid_request'],
    ['unknown field', await post(JSON.stringify({ ...body, extra: 1 })), 400, 'invalid_request', 'extra'],
    [
      'quantity 0',
      await post('{"lines":[{"sku":"a","quantity":0}]}'),
      400,
      'invalid_request',
      'lines.0.quantity',
    ],
    [
      'quantity as text',
      await post('{"lines":[{"sku":"a","quantity":"1"}]}'),
      400,
      'invalid_request',
      'lines.0.quantity',
    ],
    [
      '21 lines',
      await post(JSON.stringify({ lines: Array<unknown>(21).fill(line) })),
      400,
      'invalid_request',
      'lines',
    ],
    ['NUL in ref', await post(JSON.stringify({ ...body, ref: 'a\u0000b' })), 400, 'invalid_request', 'ref'],
    [
      'lone surrogate in ref',
      await post('{"lines":[{"sku":"a","quantity":1}],"ref":"\\ud800"}'),
      400,
      'invalid_request',
      'ref',
    ],
    ['over the body limit', await post(' '.repeat(LIMITS.bodyBytesMax + 1)), 413, 'body_too_large'],
    ['text/plain', await post('hello', 'text/plain'), 415, 'unsupported_media_type'],
    ['wrong method', await app.inject({ method: 'DELETE', url: '/things/1' }), 405, 'method_not_allowed'],
    ['no such route', await app.inject({ url: '/nothing' }), 404, 'not_found'],
    [
      'malformed URL',
      await app.inject({ method: 'POST', url: '/things/%E0%A4%A', payload: body }),
      400,
      'invalid_request',
    ],
  ];
  for (const [name, response, status, code, field] of cases) {
    t.equal(response.statusCode, status, name);
    t.match(response.headers['content-type'], 'application/problem+json', name);
    const problem = response.json<Record<string, unknown>>();
    t.match(problem, {
      code,
      status,
      instance: response.headers['x-request-id'],
      type: `https://docs.example/errors#${code}`,
    });
    if (field !== undefined) t.equal(problem['field'], field, name);
  }
  t.equal(cases[10]?.[1].headers['allow'], 'POST');
});

await t.test('an emoji in ref is text like any other', async (t) => {
  const response = await build().inject({
    method: 'POST',
    url: '/things/1',
    payload: { ...body, ref: '🍊'.repeat(64) },
  });
  t.equal(response.statusCode, 200);
});

await t.test('titles follow Accept-Language, codes and retryable do not', async (t) => {
  const app = build();
  const chinese = await app.inject({
    url: '/sold-out',
    headers: { 'accept-language': 'fr, zh-CN;q=0.9, en' },
  });
  const english = await app.inject({ url: '/sold-out' });
  t.match(chinese.json(), { title: '已售罄', code: 'sold_out', retryable: false, sku: 'a', final: true });
  t.match(english.json(), { title: 'Sold out', code: 'sold_out', retryable: false });
});

await t.test('a bug answers 500 without its message', async (t) => {
  const response = await build().inject({ url: '/bug' });
  t.equal(response.statusCode, 500);
  t.notMatch(response.body, 'secret detail');
  t.match(response.json(), { code: 'internal' });
});

await t.test('a well-formed request id is kept, any other replaced', async (t) => {
  const app = build();
  const kept = await app.inject({ url: '/livez', headers: { 'x-request-id': 'abc-123' } });
  const replaced = await app.inject({ url: '/livez', headers: { 'x-request-id': 'a b\tc' } });
  t.equal(kept.headers['x-request-id'], 'abc-123');
  t.match(replaced.headers['x-request-id'], /^[0-9a-f-]{36}$/);
});

await t.test('what is not HTTP is told so in the same form', async (t) => {
  const app = build();
  await app.listen({ port: 0, host: '127.0.0.1' });
  t.teardown(() => app.close());
  const { port } = app.server.address() as AddressInfo;
  const say = async (text: string) => {
    const socket = connect(port, '127.0.0.1');
    socket.end(text);
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    return answer;
  };
  for (const text of ['FOO / HTTP/1.1\r\n\r\n', 'GET / HTTP/1.1\r\nbad header\r\n\r\n', 'nonsense\r\n\r\n']) {
    const answer = await say(text);
    t.match(answer, /^HTTP\/1\.1 400 /, text);
    t.match(answer, /x-request-id: [0-9a-f-]{36}/);
    t.match(answer, /content-type: application\/problem\+json/);
    t.match(JSON.parse(answer.split('\r\n\r\n')[1] ?? ''), { code: 'invalid_request', status: 400 });
  }
  const overflow = await say(`GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`);
  t.match(overflow, /^HTTP\/1\.1 431 /);
  t.equal((await app.inject({ url: '/livez' })).statusCode, 200, 'and the process goes on');
});

await t.test('a client that is too slow and never closes is hung up on', async (t) => {
  const app = build();
  await app.listen({ port: 0, host: '127.0.0.1' });
  t.teardown(() => app.close());
  const { port } = app.server.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const closed = once(app.server, 'connection').then(([peer]) => once(peer as Socket, 'close'));
  socket.write('GET / HTTP/1.1\r\nx: ');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  t.match(answer.toString(), /^HTTP\/1\.1 408 /);
  await closed;
  socket.destroy();
});

await t.test('readiness follows the process, liveness does not', async (t) => {
  const app = build({ isReady: false });
  t.equal((await app.inject({ url: '/readyz' })).statusCode, 503);
  t.equal((await app.inject({ url: '/livez' })).statusCode, 200);
});
