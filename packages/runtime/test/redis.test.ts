// Goal: a connection to Redis that went silent without closing is replaced, or one lost route would stop a
// service for a quarter of an hour. Method: a real Redis behind a TCP forwarder that falls silent for one
// connection.
import { pino } from 'pino';
import t from 'tap';
import { forwardTcp } from '@seckill/testing';
import { createRedis } from '../src/index.ts';

await t.test('a silent connection is given up within seconds', async (t) => {
  const route = await forwardTcp(t, process.env['REDIS_URL'] ?? '');
  const redis = createRedis(route.url, pino({ enabled: false }));
  t.teardown(() => {
    redis.disconnect();
  });
  await redis.connect();
  t.equal(await redis.ping(), 'PONG');

  route.lose();
  await t.rejects(redis.ping(), /timed out/, 'the caller does not wait for that');
  const deadline = performance.now() + 8_000;
  let isBack = false;
  while (!isBack && performance.now() < deadline) {
    isBack = await redis.ping().then(
      () => true,
      () => false,
    );
    if (!isBack) await new Promise((resolve) => setTimeout(resolve, 100));
  }
  t.ok(isBack, 'another connection answers');
  t.equal(route.accepted, 2);
});

await t.test('a connection with nothing to wait for is left alone', async (t) => {
  const redis = createRedis(process.env['REDIS_URL'] ?? '', pino({ enabled: false }));
  t.teardown(() => {
    redis.disconnect();
  });
  await redis.connect();
  await redis.ping();
  let closes = 0;
  redis.on('close', () => (closes += 1));
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  t.equal(closes, 0);
});
