// Goal: one user or address cannot crowd out the others, and nobody chooses the address that is counted.
// Method: the app's own limiter in front of a route, on Fastify's inject, which lets a test choose the
// socket's address.
import { createHttp, createRedis, createRegistry } from '@seckill/runtime';
import { startEngines } from '@seckill/stack';
import { pino } from 'pino';
import t from 'tap';
import { createAdmission, type AdmissionDeps } from '../../src/limits/admission.ts';
import type { Identity } from '../../src/identity/identity.ts';
import { createLimitMetrics } from '../../src/limits/metrics.ts';
import { WindowStore } from '../../src/limits/window-store.ts';

/** Sends requests in one tick, as a crowd does. */
function atOnce<Result>(count: number, send: (index: number) => Promise<Result>): Promise<Result[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => send(index)));
}

async function build(limits: AdmissionDeps, trustProxy?: string) {
  const app = createHttp({
    logger: pino({ enabled: false }),
    isReady: () => true,
    ...(trustProxy === undefined ? {} : { trustProxy }),
  });
  app.decorateRequest('identity', null as unknown as Identity);
  const admission = await createAdmission(app, limits);
  app.addHook('onRequest', async (request, reply) => {
    request.identity = { userId: String(request.headers['x-test-user'] ?? 'u1'), isOperator: false };
    await admission.admitUser(request, reply);
    await admission.admitAddress(request);
  });
  app.get('/', async () => 'in');
  return async (from: { user?: string; address?: string; forwardedFor?: string }) => {
    const response = await app.inject({
      url: '/',
      remoteAddress: from.address ?? '10.0.0.1',
      headers: {
        'x-test-user': from.user ?? 'u1',
        ...(from.forwardedFor === undefined ? {} : { 'x-forwarded-for': from.forwardedFor }),
      },
    });
    return { status: response.statusCode, headers: response.headers, body: response.body };
  };
}

await t.test('a user beyond the limit is told when to come back, others go on', async (t) => {
  const send = await build({ userMax: 3, addressMax: 1_000 });
  for (let count = 0; count < 3; count += 1) t.equal((await send({})).status, 200);
  const refused = await send({});
  t.equal(refused.status, 429);
  t.match(JSON.parse(refused.body), { code: 'rate_limited', retryable: true });
  t.match(refused.headers['retry-after'], /^[123]$/, 'with jitter');
  t.equal(refused.headers['ratelimit-policy'], '"user";q=3;w=1, "address";q=1000;w=1');
  t.equal(refused.headers['ratelimit'], '"user";r=0;t=1');
  t.equal((await send({ user: 'u2' })).status, 200);
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  t.equal((await send({})).status, 200, 'the next second is a new one');
});

await t.test('an address is counted over all its users', async (t) => {
  const send = await build({ userMax: 1_000, addressMax: 5 });
  const answers = await atOnce(8, (index) => send({ user: `u${index}` }));
  t.equal(answers.filter(({ status }) => status === 429).length, 3);
  t.equal((await send({ user: 'u0', address: '10.0.0.2' })).status, 200);
});

await t.test('X-Forwarded-For counts from a trusted proxy and from nobody else', async (t) => {
  const untrusting = await build({ userMax: 1_000, addressMax: 2 });
  const claims = await atOnce(4, (index) =>
    untrusting({ user: `u${index}`, forwardedFor: `1.2.3.${index}` }),
  );
  t.equal(claims.filter(({ status }) => status === 429).length, 2, 'a client cannot choose its address');

  const trusting = await build({ userMax: 1_000, addressMax: 2 }, '10.0.0.0/24');
  const behind = await atOnce(4, (index) => trusting({ user: `u${index}`, forwardedFor: `1.2.3.${index}` }));
  t.ok(
    behind.every(({ status }) => status === 200),
    'clients behind the proxy are told apart',
  );
  const outside = await atOnce(4, (index) =>
    trusting({ user: `u${index}`, address: '192.0.2.9', forwardedFor: `1.2.3.${index}` }),
  );
  t.equal(outside.filter(({ status }) => status === 429).length, 2, 'who is not the proxy is not believed');
});

await t.test('of the requests of one tick as many pass as the limit allows', async (t) => {
  const send = await build({ userMax: 3, addressMax: 1_000 });
  const answers = await atOnce(10, () => send({}));
  t.equal(answers.filter(({ status }) => status === 200).length, 3);
  t.same(answers[0]?.headers['ratelimit'], '"user";r=2;t=1');
});

await t.test('an IPv6 address counts as its network, because a client has many addresses', async (t) => {
  const send = await build({ userMax: 1_000, addressMax: 2 });
  const answers = await atOnce(4, (index) => send({ user: `u${index}`, address: `2001:db8::${index}` }));
  t.equal(answers.filter(({ status }) => status === 429).length, 2);
  t.equal((await send({ user: 'u9', address: '2001:db8:0:1::1' })).status, 200);
});

await t.test('a store of a bounded size forgets the oldest window first', (t) => {
  let now = 0;
  const store = new WindowStore(2, () => now);
  t.same(store.count('a', 1_000), { current: 1, ttl: 1_000 });
  now = 400;
  t.same(store.count('a', 1_000), { current: 2, ttl: 600 });
  store.count('b', 1_000);
  t.equal(store.count('c', 1_000).current, 1);
  t.equal(store.count('b', 1_000).current, 2, 'b is kept');
  t.equal(store.count('a', 1_000).current, 1, 'a was forgotten');
  now = 1_400;
  t.same(store.count('b', 1_000), { current: 1, ttl: 1_000 }, 'a window ends');
  t.end();
});

await t.test('gateways that share a Redis count together, and each by itself while it is away', async (t) => {
  const before = process.env['REDIS_URL'];
  Reflect.deleteProperty(process.env, 'REDIS_URL');
  t.teardown(() => {
    if (before !== undefined) process.env['REDIS_URL'] = before;
  });
  const engines = await startEngines({ name: `limits-${process.pid}`, anyName: true, only: ['redis'] });
  t.teardown(() => engines.stop());
  const failures = createLimitMetrics(createRegistry()).failures;
  const connect = async () => {
    const redis = createRedis(engines.redis, pino({ enabled: false }), { commandTimeout: 2_000 });
    await redis.connect();
    t.teardown(() => {
      redis.disconnect();
    });
    return redis;
  };
  const limits = { userMax: 1_000, addressMax: 1_000 };
  const [one, two] = [await connect(), await connect()];
  const sends = [
    await build({ ...limits, userMax: 6, shared: { redis: one, failures } }),
    await build({ ...limits, userMax: 6, shared: { redis: two, failures } }),
  ] as const;
  // On a slow machine a window of a second may end in between. Then all requests pass, and another user is
  // tried.
  let refused = 0;
  for (let attempt = 0; refused === 0 && attempt < 20; attempt += 1) {
    const answers = await atOnce(12, (index) => sends[index % 2 === 0 ? 0 : 1]({ user: `u${attempt}` }));
    refused = answers.filter(({ status }) => status === 429).length;
    t.ok(refused <= 6, 'six of twelve pass');
  }
  t.ok(refused > 0, 'together they are beyond the limit; either alone is not');
  one.disconnect();
  const alone = await atOnce(12, () => sends[0]({ user: 'alone' }));
  t.equal(alone.filter(({ status }) => status === 429).length, 6, 'never open');
  t.ok(
    (await failures.get()).values.some(({ value }) => value > 0),
    'and it is told',
  );
});
