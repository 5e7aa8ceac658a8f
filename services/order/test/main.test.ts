// Goal: the process itself: it starts, keeps its promises over a restart, and ends cleanly.
// Method: the built program as a child process, on a real Postgres; support/stock.ts stands in for stock.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@seckill/runtime';
import type { Test } from 'tap';
import { test } from 'tap';
import { createTopics } from '../src/commands/topics.ts';
import { createDatabase } from './support/database.ts';
import { SINGLE_BROKER } from './support/kafka.ts';
import { until } from './support/build.ts';
import { connectKafka, forwardTcp } from '@seckill/testing';
import { makeSaleInput, readOrders, storeOrders, storeSale } from './support/reservations.ts';
import { createStock, TOKENS } from './support/stock.ts';

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));

interface Order {
  child: ChildProcess;
  url: string;
  call(method: string, path: string, body?: unknown): Promise<{ status: number; code: unknown }>;
}

/** Role `http` only: the intake's group is one for the whole Kafka, which other tests may share. */
const HTTP_ONLY = { KAFKA_BROKERS: '127.0.0.1:9', ROLES: 'http' };

async function startOrder(
  t: Test,
  databaseUrl: string,
  stockUrl: string,
  kafka: Record<string, string> = HTTP_ONLY,
): Promise<Order> {
  const child = spawn(process.execPath, [PROGRAM], {
    env: {
      PATH: process.env['PATH'],
      DRAIN_MS: '0',
      DATABASE_URL: databaseUrl,
      STOCK_URL: stockUrl,
      ORDER_TOKEN: TOKENS.order,
      GATEWAY_TOKEN: TOKENS.gateway,
      STOCK_TOKEN: TOKENS.stock,
      HOST: '127.0.0.1',
      PORT: '0',
      METRICS_PORT: '0',
      ...kafka,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  let url = '';
  await until('order listens', () => {
    url = /"url":"(http:[^"]+)"/.exec(output)?.[1] ?? '';
    return url !== '';
  });
  return {
    child,
    url,
    async call(method, path, body) {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: { authorization: `Bearer ${TOKENS.gateway}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const answer = (await response.json()) as { code?: unknown };
      return { status: response.status, code: answer.code };
    },
  };
}

await test('a sale that stock never heard of is sent by the next process', async (t) => {
  const { url, pool } = await createDatabase(t);
  const stock = await createStock(t);
  await stock.down();
  const first = await startOrder(t, url, stock.url);
  const input = makeSaleInput();
  const creating = first.call('POST', '/v1/sales', input).catch(() => undefined);
  await until('the row', async () => (await pool.query('SELECT FROM sales')).rowCount === 1);
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');
  await creating;

  await stock.up();
  const second = await startOrder(t, url, stock.url);
  await until('the control state', () => stock.applied.has(input.id ?? ''));
  t.same(await second.call('POST', '/v1/sales', input), { status: 200, code: undefined });
});

await test('SIGTERM ends the process with 0, after the calls under way', async (t) => {
  const { url } = await createDatabase(t);
  const stock = await createStock(t);
  stock.delayMs = 500;
  const order = await startOrder(t, url, stock.url);
  t.equal((await fetch(`${order.url}/readyz`)).status, 200);
  t.equal((await fetch(`${order.url}/livez`)).status, 200);
  const creating = order.call('POST', '/v1/sales', makeSaleInput());
  await until('the control state', () => stock.seen.length > 0);
  order.child.kill('SIGTERM');
  t.same(await creating, { status: 201, code: undefined });
  const [code] = (await once(order.child, 'exit')) as [number];
  t.equal(code, 0);
});

await test('while Kafka is away order starts with every role, serves, and ends soon', async (t) => {
  const { url, pool } = await createDatabase(t);
  const stock = await createStock(t);
  const saleId = await storeSale(pool, { orange: 10 });
  // This hold is long overdue. The role `expiry` ends it, and its settlement waits for Kafka.
  await storeOrders(pool, saleId, [{ expiresAt: 1_000 }]);
  const order = await startOrder(t, url, stock.url, { KAFKA_BROKERS: '127.0.0.1:1' });
  t.equal((await fetch(`${order.url}/readyz`)).status, 200);
  t.same(await order.call('GET', `/v1/sales/${saleId}`), { status: 200, code: undefined });
  t.same(await order.call('POST', '/v1/sales', makeSaleInput()), { status: 201, code: undefined });
  await until('the expiry', async () => (await readOrders(pool))[0]?.status === 'expired');
  await until('the question for the clock', () => stock.clockReads > 0);
  // Several attempts of its producers have failed by now.
  await systemClock.sleep(6_000);
  t.equal((await fetch(`${order.url}/readyz`)).status, 200, 'and it goes on');
  const stoppedAt = performance.now();
  order.child.kill('SIGTERM');
  const [code] = (await once(order.child, 'exit')) as [number];
  t.equal(code, 0);
  const tookMs = performance.now() - stoppedAt;
  t.ok(tookMs < 5_000, `ended in ${tookMs.toFixed(0)} ms`);
});

await test('messages that waited for Kafka are published when it comes', async (t) => {
  const { url, pool } = await createDatabase(t);
  const stock = await createStock(t);
  const [broker] = (process.env['KAFKA_BROKERS'] ?? '').split(',');
  const proxy = await forwardTcp(t, `http://${broker ?? ''}`);
  await proxy.cut();
  await createTopics(connectKafka('order-test'), SINGLE_BROKER);
  const saleId = await storeSale(pool, { orange: 10 });
  await storeOrders(pool, saleId, [{ expiresAt: 1_000 }]);
  await startOrder(t, url, stock.url, {
    KAFKA_BROKERS: new URL(proxy.url).host,
    ROLES: 'http,expiry,relay',
  });
  await until('the settlement', async () => (await pool.query('SELECT FROM outbox')).rowCount === 1);
  const countPublished = async () =>
    (await pool.query('SELECT FROM outbox WHERE published_at IS NOT NULL')).rowCount;
  await systemClock.sleep(1_000);
  t.equal(await countPublished(), 0);
  await proxy.mend();
  await until('its publication', async () => (await countPublished()) === 1);
});

await test('a configuration that is not usable is told at once and whole', async (t) => {
  const child = spawn(process.execPath, [PROGRAM], {
    env: { ROLES: 'http,cook' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let told = '';
  child.stderr.on('data', (chunk: Buffer) => {
    told += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number];
  t.equal(code, 1);
  for (const name of [
    'DATABASE_URL',
    'KAFKA_BROKERS',
    'STOCK_URL',
    'ORDER_TOKEN',
    'GATEWAY_TOKEN',
    'STOCK_TOKEN',
    'cook',
  ]) {
    t.match(told, name);
  }
  t.match(told, /^configuration is not usable:\n( {2}- .+\n)+$/, 'in words only');
});
