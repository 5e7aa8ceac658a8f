// Goal: the process as it is deployed: it listens, sells, tells its metrics, ends in order, and refuses to
// start wrong.
// Method: `node dist/main.js` on a Redis of our own; Kafka is away, which must not stop a sale (D2).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { item, makeControl, startRedis, until } from './support/build.ts';
import { startOrderSide, TOKENS } from './support/order.ts';
import { startStock } from './support/process.ts';

const engines = await startRedis(t);
const order = await startOrderSide(t);
const env = { REDIS_URL: engines.redis, ORDER_URL: order.url, KAFKA_BROKERS: '127.0.0.1:1' };

await t.test('it sells while Kafka is away, counts what waits, and ends in order', async (t) => {
  const { child, url, metricsUrl } = await startStock(t, { ...env, ROLES: undefined });
  const isReady = () =>
    fetch(`${url}/readyz`).then(
      ({ status }) => status === 200,
      () => false,
    );
  await until('ready', isReady);
  t.equal((await fetch(`${url}/livez`)).status, 200);
  const sale = makeControl();
  order.controls.set(sale.saleId, sale);
  const call = async (method: string, path: string, token: string, body: unknown): Promise<unknown> => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const answer = await fetch(`${url}${path}`, { method, headers, body: JSON.stringify(body) });
    return answer.json();
  };
  await call('PUT', `/internal/sales/${sale.saleId}`, TOKENS.order, sale);
  const answers = await call('POST', '/internal/reservations', TOKENS.gateway, [
    item(sale.saleId),
    item(sale.saleId),
  ]);
  t.match(answers, [{ outcome: 'reserved' }, { outcome: 'reserved' }]);
  const metrics = await (await fetch(metricsUrl)).text();
  t.match(metrics, 'seckill_stock_reserve_answers_total{outcome="reserved"} 2');
  t.match(metrics, 'nodejs_eventloop_lag_seconds');
  const ended = child.exited;
  await child.stop();
  t.equal((await ended).code, 0);
});

await t.test('a role that runs alone answers health and nothing else', async (t) => {
  for (const role of ['relay', 'settler', 'audit']) {
    const { child, url, metricsUrl } = await startStock(t, { ...env, ROLES: role });
    await until('ready', () =>
      fetch(`${url}/readyz`).then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
    t.equal((await fetch(`${url}/livez`)).status, 200, role);
    t.equal((await fetch(metricsUrl)).status, 200, role);
    t.equal((await fetch(`${url}/internal/sales/x/state`)).status, 404, role);
    const ended = child.exited;
    await child.stop();
    t.equal((await ended).code, 0, `${role} ends in order while Kafka is away`);
  }
});

await t.test('after SIGTERM it is not ready and serves on; a second signal ends it at once', async (t) => {
  const { child, url } = await startStock(t, { ...env, ROLES: 'http', DRAIN_MS: '60000' });
  const statusOf = (path: string) =>
    fetch(`${url}${path}`).then(
      ({ status }) => status,
      () => 0,
    );
  await until('ready', async () => (await statusOf('/readyz')) === 200);
  child.kill('SIGTERM');
  await until('not ready', async () => (await statusOf('/readyz')) === 503);
  const headers = { authorization: `Bearer ${TOKENS.gateway}` };
  const answer = await fetch(`${url}/internal/sales/none/state`, { headers });
  t.match(await answer.json(), { gate: 'missing' }, 'it serves');
  t.equal(answer.headers.get('connection'), 'close');
  child.kill('SIGTERM');
  t.equal((await child.exited).code, 1, 'long before the drain is over');
});

await t.test('it does not start without its secrets, or on a Redis that may evict keys', async (t) => {
  const file = join(t.testdir(), 'output');
  const wrong = { ...env, STOCK_TOKEN: 'short', GATEWAY_TOKEN: undefined };
  const { child } = await startStock(t, wrong, { file });
  t.equal((await child.exited).code, 1);
  const told = readFileSync(file, 'utf8');
  t.match(told, /STOCK_TOKEN is shorter[^]*GATEWAY_TOKEN .* is missing/, 'every problem, in words');
  t.notMatch(told, /\n\s+at /, 'no stack trace');
  const redis = await import('ioredis').then(({ Redis }) => new Redis(engines.redis));
  await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
  const { child: second } = await startStock(t, env);
  t.equal((await second.exited).code, 1);
  await redis.config('SET', 'maxmemory-policy', 'noeviction');
  redis.disconnect();
});
