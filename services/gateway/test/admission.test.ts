// Goal: one user or address cannot crowd out the others, and nobody chooses the address that is counted.
// Method: the app's own limiter in front of a route, on Fastify's inject, which lets a test choose the socket's address.
import { createHttp } from '@seckill/runtime';
import { pino } from 'pino';
import t from 'tap';
import { createAdmission, type AdmissionOptions } from '../src/admission.ts';
import type { Identity } from '../src/identity.ts';

/** One after the other: requests of one tick would all read the last one's count (the plugin's local store). */
async function inTurn<Result>(count: number, send: (index: number) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (let index = 0; index < count; index += 1) results.push(await send(index));
  return results;
}

async function build(limits: AdmissionOptions, trustProxy?: string) {
  const app = createHttp({
    logger: pino({ enabled: false }),
    isReady: () => true,
    ...(trustProxy === undefined ? {} : { trustProxy }),
  });
  app.decorateRequest('identity', null as unknown as Identity);
  const admission = await createAdmission(app, limits);
  app.addHook('onRequest', async (request) => {
    request.identity = { userId: String(request.headers['x-test-user'] ?? 'u1'), isAdmin: false };
    await admission.admitUser(request);
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
  t.equal(refused.headers['retry-after'], '1');
  t.equal((await send({ user: 'u2' })).status, 200);
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  t.equal((await send({})).status, 200, 'the next second is a new one');
});

await t.test('an address is counted over all its users', async (t) => {
  const send = await build({ userMax: 1_000, addressMax: 5 });
  const answers = await inTurn(8, (index) => send({ user: `u${index}` }));
  t.equal(answers.filter(({ status }) => status === 429).length, 3);
  t.equal((await send({ user: 'u0', address: '10.0.0.2' })).status, 200);
});

await t.test('X-Forwarded-For counts from a trusted proxy and from nobody else', async (t) => {
  const untrusting = await build({ userMax: 1_000, addressMax: 2 });
  const claims = await inTurn(4, (index) =>
    untrusting({ user: `u${index}`, forwardedFor: `1.2.3.${index}` }),
  );
  t.equal(claims.filter(({ status }) => status === 429).length, 2, 'a client cannot choose its address');

  const trusting = await build({ userMax: 1_000, addressMax: 2 }, '10.0.0.0/24');
  const behind = await inTurn(4, (index) => trusting({ user: `u${index}`, forwardedFor: `1.2.3.${index}` }));
  t.ok(
    behind.every(({ status }) => status === 200),
    'clients behind the proxy are told apart',
  );
  const outside = await inTurn(4, (index) =>
    trusting({ user: `u${index}`, address: '192.0.2.9', forwardedFor: `1.2.3.${index}` }),
  );
  t.equal(outside.filter(({ status }) => status === 429).length, 2, 'who is not the proxy is not believed');
});
