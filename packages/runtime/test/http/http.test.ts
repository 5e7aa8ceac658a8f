// Goal: every error leaves as problem+json with the code of docs/http-api.md. Method: a small app on
// Fastify's own inject.
import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { detailOf, LIMITS, ReserveRequest } from '@seckill/contracts';
import { pino } from 'pino';
import t from 'tap';
import { addVary, createHttp, Problem, tellLanguage } from '../../src/index.ts';

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
  app.get('/late', async () => {
    throw new Problem('outcome_unknown', { detail: detailOf('reservation_unknown') });
  });
  app.get('/in-a-thousand-years', async () => {
    throw new Problem('sale_not_open', { retryAfterSeconds: 3e10 });
  });
  app.get('/either', async (_request, reply) => {
    tellLanguage(reply, 'en');
    addVary(reply, 'accept');
    addVary(reply, 'accept');
    return {};
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

await t.test('title and detail follow Accept-Language with its quality values, codes do not', async (t) => {
  const app = build();
  const ask = async (language?: string) =>
    app.inject({
      url: '/late',
      headers: language === undefined ? {} : { 'accept-language': language },
    });
  const chinese = ['zh', 'zh-CN', 'fr, zh-TW;q=0.9, en;q=0.8', 'en;q=0.1, zh;q=0.2', 'en;q=0, *', 'ZH-hans'];
  for (const language of chinese) {
    const answer = await ask(language);
    t.match(
      answer.json(),
      { title: '结果未知,请用同一幂等键重试', code: 'outcome_unknown', retryable: true },
      language,
    );
    t.match(answer.json<{ detail: string }>().detail, /同一幂等键/, language);
    t.match(answer.headers, { 'content-language': 'zh-CN', vary: 'accept-language' }, language);
  }
  for (const language of [
    undefined,
    '',
    'en',
    'fr, zh-CN;q=0.9, en',
    'zh;q=0.5, en-GB',
    '*',
    'fr',
    'zh;q=0',
    'q',
  ]) {
    const answer = await ask(language);
    t.match(answer.json(), { detail: /same key/, code: 'outcome_unknown' }, language ?? 'none');
    t.match(answer.headers, { 'content-language': 'en', vary: 'accept-language' });
  }
});

await t.test('what an answer varies by is named by whole names, once', async (t) => {
  t.equal((await build().inject({ url: '/either' })).headers['vary'], 'accept-language, accept');
});

await t.test('a finding of a schema is told in both languages, by its field', async (t) => {
  const app = build();
  const send = async (payload: object) =>
    (
      await app.inject({ method: 'POST', url: '/things/1', payload, headers: { 'accept-language': 'zh' } })
    ).json<{
      detail: string;
    }>().detail;
  t.equal(await send({}), 'lines:必填');
  t.equal(await send({ ...body, extra: 1 }), 'extra:未知字段');
  t.equal(await send({ lines: [{ sku: 'a', quantity: 0 }] }), 'lines.0.quantity:不得小于 1');
  t.equal(await send({ lines: [{ sku: 'a', quantity: 101 }] }), 'lines.0.quantity:不得大于 100');
  t.equal(await send({ lines: [{ sku: 'a', quantity: '1' }] }), 'lines.0.quantity:类型须为 integer');
  t.equal(await send({ lines: [] }), 'lines:至少 1 项');
  t.equal(await send({ lines: [{ sku: ' ', quantity: 1 }] }), 'lines.0.sku:格式不符合要求');
});

await t.test('Retry-After stays within what clients and their timers hold', async (t) => {
  const app = build();
  t.equal((await app.inject({ url: '/in-a-thousand-years' })).headers['retry-after'], '2147483');
  t.equal((await app.inject({ url: '/late' })).headers['retry-after'], '1');
});

await t.test('bytes that are no UTF-8 are refused, wherever they stand', async (t) => {
  const app = build();
  const whole = Buffer.from(JSON.stringify({ ...body, ref: 'note-橙' }));
  const send = async (payload: Buffer) =>
    app.inject({
      method: 'POST',
      url: '/things/1',
      payload,
      headers: { 'content-type': 'application/json' },
    });
  t.equal((await send(whole)).statusCode, 200);
  const at = whole.indexOf(Buffer.from('橙'));
  const cases = {
    'a byte that begins no character': Buffer.concat([
      whole.subarray(0, at),
      Buffer.from([0xff]),
      whole.subarray(at),
    ]),
    'a character that is cut': Buffer.concat([whole.subarray(0, at + 1), whole.subarray(at + 3)]),
    'an overlong form': Buffer.concat([whole.subarray(0, at), Buffer.from([0xc0, 0xaf]), whole.subarray(at)]),
    'a surrogate': Buffer.concat([
      whole.subarray(0, at),
      Buffer.from([0xed, 0xa0, 0x80]),
      whole.subarray(at),
    ]),
    'a byte after the end': Buffer.concat([whole, Buffer.from([0x80])]),
  };
  for (const [name, payload] of Object.entries(cases)) {
    const answer = await send(payload);
    t.equal(answer.statusCode, 400, name);
    t.match(answer.json(), { code: 'invalid_request', field: 'body', detail: /UTF-8/ }, name);
  }
});

await t.test('a compressed body is 415, and the answer says what is taken', async (t) => {
  const app = build();
  const send = async (encoding: string, payload: Buffer) =>
    app.inject({
      method: 'POST',
      url: '/things/1',
      payload,
      headers: { 'content-type': 'application/json', 'content-encoding': encoding },
    });
  const text = Buffer.from(JSON.stringify(body));
  for (const [encoding, payload] of [
    ['gzip', gzipSync(text)],
    ['br', text],
    ['GZIP', gzipSync(text)],
    ['identity, gzip', gzipSync(text)],
  ] as const) {
    const answer = await send(encoding, payload);
    t.equal(answer.statusCode, 415, encoding);
    t.match(answer.json(), { code: 'unsupported_media_type', detail: /Content-Encoding/ });
    t.equal(answer.headers['accept-encoding'], 'identity');
  }
  t.equal((await send('identity', text)).statusCode, 200);
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

await t.test('bytes that are no HTTP get a problem document too', async (t) => {
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
  for (const text of ['FOO\r\n\r\n', 'GET / HTTP/1.1\r\nbad header\r\n\r\n', 'nonsense\r\n\r\n']) {
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
