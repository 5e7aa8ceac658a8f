// Goal: a connection to Redis that went silent without closing is replaced, or one lost route would stop a
// service for a quarter of an hour. Method: a real Redis behind a small TCP proxy that stops forwarding one
// connection.
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { pino } from 'pino';
import t from 'tap';
import { createRedis } from '../src/index.ts';

await t.test('a silent connection is given up within seconds', async (t) => {
  const target = new URL(process.env['REDIS_URL'] ?? '');
  const clients: Socket[] = [];
  const muted = new Set<Socket>();
  const proxy = createServer((client) => {
    clients.push(client);
    const upstream = connect(Number(target.port), target.hostname);
    client.on('data', (data) => !muted.has(client) && upstream.write(data));
    upstream.on('data', (data) => !muted.has(client) && client.write(data));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { port } = proxy.address() as AddressInfo;
  const redis = createRedis(
    `redis://${target.username}:${target.password}@127.0.0.1:${port}`,
    pino({ enabled: false }),
  );
  t.teardown(() => {
    redis.disconnect();
    for (const client of clients) client.destroy();
    proxy.close();
  });
  await redis.connect();
  t.equal(await redis.ping(), 'PONG');

  for (const client of clients) muted.add(client);
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
  t.equal(clients.length, 2);
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
