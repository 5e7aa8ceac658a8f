// Goal: pages of the allowed origins may call the API, and no others.
// Method: the real app, asked as a browser asks.
import t, { type Test } from 'tap';
import { startGateway, tokenOf } from './support/gateway.ts';

const SHOP = 'https://shop.example';
const ASK = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' };

async function start(t: Test, environment: Record<string, string>) {
  const gateway = await startGateway(environment);
  t.teardown(() => gateway.stop());
  return gateway;
}

await t.test('without origins no page of another origin may call', async (t) => {
  const { app } = await start(t, {});
  const preflight = await app.inject({
    method: 'OPTIONS',
    url: '/v1/sales',
    headers: { origin: SHOP, ...ASK },
  });
  t.equal(preflight.statusCode, 405);
  const read = await app.inject({ url: '/livez', headers: { origin: SHOP } });
  t.notOk(read.headers['access-control-allow-origin']);
});

await t.test('an allowed origin may ask and read', async (t) => {
  const { app } = await start(t, { ALLOWED_ORIGINS: `${SHOP}, http://localhost:5173` });
  for (const origin of [SHOP, 'http://localhost:5173']) {
    const preflight = await app.inject({
      method: 'OPTIONS',
      url: '/v1/sales/a/reservations',
      headers: { origin, ...ASK },
    });
    t.equal(preflight.statusCode, 204);
    t.match(preflight.headers, {
      'access-control-allow-origin': origin,
      'access-control-allow-methods': /POST/,
      'access-control-allow-headers': /authorization.*idempotency-key/,
      'access-control-max-age': '7200',
      vary: /Origin/,
    });
  }
  // The page can read a problem document like any other answer.
  const problem = await app.inject({ url: '/v1/orders', headers: { origin: SHOP } });
  t.equal(problem.statusCode, 401);
  t.match(problem.headers, {
    'access-control-allow-origin': SHOP,
    'access-control-expose-headers': /date, etag, idempotent-replayed, location, order-status.*retry-after/,
    vary: /Origin.*accept-language/,
  });
  t.notOk(problem.headers['access-control-allow-credentials']);
});

await t.test('other origins are told nothing, however alike', async (t) => {
  const { app } = await start(t, { ALLOWED_ORIGINS: SHOP });
  const others = [
    'https://shop.example.evil',
    'http://shop.example',
    'https://a.shop.example',
    'null',
    `${SHOP}:8443`,
  ];
  for (const origin of others) {
    const preflight = await app.inject({ method: 'OPTIONS', url: '/v1/sales', headers: { origin, ...ASK } });
    t.notOk(preflight.headers['access-control-allow-origin'], origin);
  }
});

await t.test('preflights count by address', async (t) => {
  const { app } = await start(t, { ALLOWED_ORIGINS: SHOP, RATE_LIMIT_ADDRESS_MAX: '2' });
  const ask = () => app.inject({ method: 'OPTIONS', url: '/v1/sales', headers: { origin: SHOP, ...ASK } });
  const statuses = [await ask(), await ask(), await ask()].map(({ statusCode }) => statusCode);
  t.same(statuses, [204, 204, 429]);
});

await t.test('an OPTIONS that is no preflight is refused, and counts', async (t) => {
  const { app } = await start(t, { ALLOWED_ORIGINS: SHOP, RATE_LIMIT_ADDRESS_MAX: '2' });
  const ask = (headers: Record<string, string>) =>
    app.inject({ method: 'OPTIONS', url: '/anything', headers });
  const answers = [await ask({}), await ask({ origin: SHOP }), await ask({})];
  t.same(
    answers.map(({ statusCode }) => statusCode),
    [405, 405, 429],
  );
});

await t.test('a page can read that it is to come back later', async (t) => {
  const { app } = await start(t, { ALLOWED_ORIGINS: SHOP, HTTP_REQUESTS_COUNT_MAX: '1' });
  const ask = () => app.inject({ url: '/openapi.json', headers: { origin: SHOP } });
  const answers = await Promise.all([ask(), ask(), ask()]);
  const shed = answers.filter(({ statusCode }) => statusCode === 503);
  t.ok(shed.length > 0, 'load was shed');
  for (const { headers } of shed) {
    t.match(headers, { 'access-control-allow-origin': SHOP, 'retry-after': /^[1-3]$/ });
  }
});

await t.test('a request of an allowed origin goes the same way as one without an origin', async (t) => {
  const { app } = await start(t, { ALLOWED_ORIGINS: SHOP });
  const headers = { authorization: `Bearer ${await tokenOf('u1')}` };
  t.equal((await app.inject({ method: 'PUT', url: '/v1/orders', headers })).statusCode, 405);
  t.equal((await app.inject({ url: '/openapi.json' })).statusCode, 200);
});

await t.test('a setting that is no origin is refused at start', async (t) => {
  for (const wrong of [
    '*',
    'shop.example',
    `${SHOP}/`,
    `${SHOP}/path`,
    'ftp://shop.example',
    'https://*.example',
  ]) {
    await t.rejects(startGateway({ ALLOWED_ORIGINS: wrong }), /ALLOWED_ORIGINS/, wrong);
  }
});
