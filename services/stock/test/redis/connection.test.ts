// Goal: a buyer hears the truth when Redis is misconfigured, slow, gone or another one (D11, D14).
// Method: a Redis of our own that is paused, killed and started again.
import { once } from 'node:events';
import { createLogger, createRedis } from '@seckill/runtime';
import { silent } from '@seckill/testing';
import t from 'tap';
import { Connection } from '../../src/redis/connection.ts';
import { laneKeys } from '../../src/redis/keys.ts';
import { build, item, startRedis, until } from '../support/build.ts';

const engines = await startRedis(t);

await t.test('a call that timed out is unknown, and the same key tells what became of it', async (t) => {
  const { addSale, hand, send, reserve, connection } = await build(t, { redisUrl: engines.redis });
  const sale = addSale();
  await hand(sale);
  const request = item(sale.saleId);
  const admin = connection.redis.duplicate({ enableAutoPipelining: false });
  t.teardown(() => {
    admin.disconnect();
  });
  await admin.connect();
  await admin.client('PAUSE', 700, 'ALL');
  t.same(await reserve(request), [{ outcome: 'outcome_unknown' }], 'never "failed"');
  await until('Redis goes on', async () => (await admin.ping().catch(() => '')) === 'PONG');
  t.match(await reserve(request), [{ outcome: 'reserved', replayed: false }], 'it had come too late');
  t.match((await send('GET', `/internal/sales/${sale.saleId}/state`)).body, { items: [{ held: 1 }, {}] });
});

await t.test('a request that lay unread in a frozen Redis takes nothing when Redis wakes', async (t) => {
  const { addSale, hand, send, reserve, connection } = await build(t, { redisUrl: engines.redis });
  const sale = addSale();
  await hand(sale);
  const request = item(sale.saleId);
  const pid = engines.pids['redis'] ?? 0;
  process.kill(pid, 'SIGSTOP');
  try {
    t.same(await reserve(request), [{ outcome: 'outcome_unknown' }]);
    await new Promise((resolve) => setTimeout(resolve, 300));
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await until('Redis is known again', () => connection.runId !== undefined);
  await until('its answers are read', async () => (await connection.redis.ping().catch(() => '')) === 'PONG');
  const { body } = await send('GET', `/internal/sales/${sale.saleId}/state`);
  t.match(
    body,
    { items: [{ held: 0 }, {}] },
    'the caller has heard "unknown", and may have heard "no" since',
  );
  t.match(await reserve(request), [{ outcome: 'reserved', replayed: false }], 'a repeat takes it');
});

await t.test('a batch takes nothing after the deadline that it carries', async (t) => {
  const { addSale, hand, reserve } = await build(t, { redisUrl: engines.redis });
  const sale = addSale();
  await hand(sale);
  const [answer] = await reserve(item(sale.saleId, { deadline: 0 }));
  t.equal(answer?.outcome, 'late');
  const now = answer?.outcome === 'late' ? answer.now : 0;
  t.match(await reserve(item(sale.saleId, { deadline: now + 1_000 })), [{ outcome: 'reserved' }]);
});

await t.test(
  'a Redis that lost the script serves nobody until it has it again, and nothing is taken',
  async (t) => {
    const { addSale, hand, reserve, connection } = await build(t, { redisUrl: engines.redis });
    const sale = addSale();
    await hand(sale);
    const { redis } = connection;
    const held = async () =>
      Number(await redis.hget(laneKeys({ saleId: sale.saleId, lane: 0 }).state, 'b:held'));
    const heard = { times: 0 };
    connection.onIdentified(() => {
      heard.times += 1;
    });
    await redis.script('FLUSH');
    const request = item(sale.saleId, { lines: [{ sku: 'b', quantity: 1 }] });
    t.same(await reserve(request), [{ outcome: 'sale_unavailable', missing: false }]);
    t.equal(await held(), 0);
    await until('it has it again', async () => (await reserve(request))[0]?.outcome === 'reserved');
    t.equal(await held(), 1);
    t.equal(heard.times, 0, 'it is no other Redis, whose lanes would be checked');
  },
);

await t.test('a batch that fails is logged in one line, without what its buyers sent', async (t) => {
  const lines: unknown[][] = [];
  const logger = createLogger('test', 'silent');
  logger.warn = (...line: unknown[]) => {
    lines.push(line);
  };
  const { addSale, hand, reserve, connection } = await build(t, { redisUrl: engines.redis, logger });
  const sale = addSale();
  await hand(sale);
  await connection.redis.config('SET', 'maxmemory', '1mb');
  const items = Array.from({ length: 50 }, (_, index) =>
    item(sale.saleId, { userId: `buyer-${index}`, idempotencyKey: `private-${index}` }),
  );
  const answers = await reserve(...items);
  await connection.redis.config('SET', 'maxmemory', '0');
  t.ok(answers.every(({ outcome }) => outcome === 'overloaded'));
  t.match(lines, [
    [{ count: 50, failures: [{ outcome: 'overloaded', error: /^OOM /, count: 50 }] }, /reserve batch/],
  ]);
  t.equal(lines.length, 1);
  t.notMatch(JSON.stringify(lines), /buyer-|private-/);
});

await t.test('a Redis that is full sheds load, and nothing is unknown', async (t) => {
  const { addSale, hand, reserve, connection } = await build(t, { redisUrl: engines.redis });
  const sale = addSale();
  await hand(sale);
  await connection.redis.config('SET', 'maxmemory', '1mb');
  t.same(await reserve(item(sale.saleId)), [{ outcome: 'overloaded' }]);
  await connection.redis.config('SET', 'maxmemory', '0');
  t.match(await reserve(item(sale.saleId)), [{ outcome: 'reserved' }]);
});

await t.test('a Redis that does not sync every write is told in the log, once', async (t) => {
  const lines: unknown[][] = [];
  const logger = createLogger('test', 'silent');
  logger.warn = (...line: unknown[]) => {
    lines.push(line);
  };
  const redis = createRedis(engines.redis, silent);
  await redis.connect();
  t.teardown(() => {
    redis.disconnect();
  });
  for (const fsync of ['always', 'everysec']) {
    await redis.config('SET', 'appendfsync', fsync);
    const connection = new Connection(engines.redis, logger);
    await connection.start();
    await connection.close();
  }
  await redis.config('SET', 'appendfsync', 'always');
  t.same(lines, [
    [
      { appendonly: 'yes', appendfsync: 'everysec' },
      'redis does not sync every write: what it confirmed can be lost',
    ],
  ]);
});

await t.test('stock refuses to start on a Redis that may evict keys', async (t) => {
  const { connection } = await build(t, { redisUrl: engines.redis });
  await connection.redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
  const refused = new Connection(engines.redis, silent);
  t.teardown(() => {
    refused.redis.disconnect();
  });
  await t.rejects(refused.start(), { code: 'SECKILL_REDIS_POLICY' });
  t.equal(refused.runId, undefined);
  await connection.redis.config('SET', 'maxmemory-policy', 'noeviction');
});

await t.test('a reconnect to a Redis that may evict keys stays closed until it is mended', async (t) => {
  const { addSale, hand, reserve, connection } = await build(t, { redisUrl: engines.redis });
  const sale = addSale();
  await hand(sale);
  await connection.redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
  const closed = once(connection.redis, 'close');
  connection.redis.disconnect(true);
  await closed;
  await until('connected again', () => connection.redis.status === 'ready');
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.same(await reserve(item(sale.saleId)), [{ outcome: 'sale_unavailable', missing: false }]);
  await connection.redis.config('SET', 'maxmemory-policy', 'noeviction');
  await until('identified', () => connection.runId !== undefined);
  t.match(await reserve(item(sale.saleId)), [{ outcome: 'reserved' }]);
});

await t.test(
  'Redis killed: unavailable at once; restarted: closed until compared, nothing lost',
  async (t) => {
    const { addSale, send, reserve, connection, order, relay } = await build(t, { redisUrl: engines.redis });
    const sale = addSale();
    const path = `/internal/sales/${sale.saleId}`;
    await send('PUT', path, { as: 'order', body: sale });
    const request = item(sale.saleId);
    t.match(await reserve(request), [{ outcome: 'reserved' }]);
    const before = connection.runId;
    await engines.kill('redis');
    await until('the loss is noticed', () => connection.redis.status !== 'ready');
    const started = performance.now();
    t.same(await reserve(item(sale.saleId)), [{ outcome: 'sale_unavailable', missing: false }]);
    t.ok(performance.now() - started < 400, 'nothing waits for a Redis that is gone');
    t.match(await send('GET', `${path}/state`), { status: 503, body: { code: 'sale_unavailable' } });
    t.match(await send('GET', '/internal/clock', { as: 'order' }), {
      status: 503,
      body: { code: 'sale_unavailable' },
    });
    await engines.restart('redis');
    await until('connected again', () => connection.runId !== undefined);
    t.not(connection.runId, before);
    t.same(await reserve(request), [{ outcome: 'sale_unavailable', missing: false }], 'not even a replay');
    t.match((await send('GET', `${path}/state`)).body, {
      gate: 'stale',
      items: [{ held: 1, available: 2 }, {}],
    });
    order.calls = [];
    await relay(sale.saleId);
    t.match(await send('PUT', path, { as: 'order', body: { ...sale, version: 2 } }), { status: 200 });
    t.same(order.calls, ['openings 1'], 'it is compared, not loaded over');
    t.match(await reserve(request), [{ outcome: 'reserved', replayed: true }]);
  },
);
