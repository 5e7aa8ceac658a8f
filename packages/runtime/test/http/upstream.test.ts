// Goal: a caller can tell "nothing happened" from "it may have happened" (D14), and internal routes know
// their callers. Method: real servers and sockets on loopback.
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { requireCaller, Upstream, UpstreamError } from '../../src/index.ts';

async function listen(handler: Parameters<typeof createServer>[1]): Promise<{ server: Server; url: string }> {
  const server = createServer(handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function connect(url: string, timeoutMs = 200): Upstream {
  return new Upstream({ url, token: 'the-token', connections: 2, timeoutMs });
}

async function kindOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'answered';
  } catch (error) {
    return error instanceof UpstreamError ? error.code : String(error);
  }
}

await t.test('any status is an answer, and the credential travels', async (t) => {
  const { server, url } = await listen((request, response) => {
    response.writeHead(409).end(JSON.stringify({ token: request.headers.authorization }));
  });
  const upstream = connect(url);
  const answer = await upstream.call({ method: 'POST', path: '/x', body: {} });
  t.strictSame(answer, { status: 409, body: { token: 'Bearer the-token' } });
  await upstream.close();
  server.close();
});

await t.test('a refused connection is surely nothing', async (t) => {
  const { server, url } = await listen(() => undefined);
  server.close();
  await once(server, 'close');
  const upstream = connect(url);
  t.equal(
    await kindOf(upstream.call({ method: 'POST', path: '/x', body: {} })),
    'SECKILL_UPSTREAM_UNREACHABLE',
  );
  await upstream.close();
});

await t.test('silence, a cut connection and a torn answer may have been something', async (t) => {
  const { server, url } = await listen((request, response) => {
    if (request.url === '/cut') request.socket.destroy();
    if (request.url === '/torn') response.writeHead(200).end('{"half":');
  });
  const upstream = connect(url);
  for (const path of ['/silent', '/cut', '/torn']) {
    const started = performance.now();
    t.equal(
      await kindOf(upstream.call({ method: 'POST', path, body: {} })),
      'SECKILL_UPSTREAM_UNKNOWN',
      path,
    );
    t.ok(performance.now() - started < 2_000, `${path} is bounded`);
  }
  server.closeAllConnections();
  server.close();
  await upstream.close();
});

await t.test('a call that only waited for a free connection is bounded too', async (t) => {
  const { server, url } = await listen(() => undefined);
  const upstream = connect(url, 300);
  const kinds = await Promise.all(
    Array.from({ length: 6 }, () => kindOf(upstream.call({ method: 'GET', path: '/silent' }))),
  );
  t.same(new Set(kinds), new Set(['SECKILL_UPSTREAM_UNKNOWN']));
  server.closeAllConnections();
  server.close();
  await upstream.close();
});

await t.test('a route knows its callers', async (t) => {
  const tokens = { gateway: 'g'.repeat(32), order: 'o'.repeat(32) };
  const check = requireCaller(tokens, ['gateway']);
  const ask = (authorization?: string) => check({ headers: { authorization } });
  await t.resolves(ask(`Bearer ${tokens.gateway}`));
  await t.rejects(ask(), { code: 'unauthenticated' });
  await t.rejects(ask(`Bearer ${tokens.order}`), { code: 'forbidden' });
  await t.rejects(ask(`Bearer ${tokens.gateway}x`), { code: 'forbidden' });
  await t.rejects(ask('Bearer '), { code: 'forbidden' });
});
