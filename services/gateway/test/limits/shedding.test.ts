// Goal: what is beyond the bound is refused at once and costs nothing, and a place that was taken is given
// back in every case. Method: the real app behind a real socket, in front of a stock that answers when the
// test lets it.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import t from 'tap';
import { Pool } from 'undici';
import { startGateway, tokenOf } from '../support/gateway.ts';
import { untilWithin } from '@seckill/testing';

const REQUESTS_MAX = 3;

const waiting: ServerResponse[] = [];
const stock = createServer((request, response) => {
  request.resume();
  waiting.push(response);
});
stock.listen(0, '127.0.0.1');
await once(stock, 'listening');
const answerAll = () => {
  for (const response of waiting.splice(0)) {
    response.writeHead(200, { 'content-type': 'application/json' }).end('[{"outcome":"sale_closed"}]');
  }
};

const { port } = stock.address() as AddressInfo;
const gateway = await startGateway({
  STOCK_URL: `http://127.0.0.1:${port}`,
  RATE_LIMIT_USER_MAX: '1000',
  HTTP_REQUESTS_COUNT_MAX: String(REQUESTS_MAX),
  STOCK_TIMEOUT_MS: '20000',
  RESERVE_CALLS_MAX: '8',
  RESERVE_BATCH_COUNT_MAX: '1',
  RESERVE_WAIT_MS: '20000',
});
const { app } = gateway;
await app.listen({ host: '127.0.0.1', port: 0 });
const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
const pool = new Pool(url, { connections: 16, pipelining: 1 });
const token = await tokenOf('u1');
t.teardown(async () => {
  answerAll();
  await pool.destroy();
  await gateway.stop();
  stock.closeAllConnections();
  stock.close();
});

async function reserve(options: { body?: string; authorization?: string; signal?: AbortSignal } = {}) {
  const {
    body = '{"lines":[{"sku":"a","quantity":1}]}',
    authorization = `Bearer ${token}`,
    signal,
  } = options;
  const response = await pool.request({
    method: 'POST',
    path: '/v1/sales/oranges/reservations',
    // Each request has a key of its own, because a repeat would wait for the answer of the first.
    headers: { authorization, 'idempotency-key': randomUUID(), 'content-type': 'application/json' },
    body,
    ...(signal === undefined ? {} : { signal }),
  });
  const { code } = (await response.body.json()) as { code: string };
  return { status: response.statusCode, code, headers: response.headers };
}

const until = untilWithin(10_000);

async function inFlight(): Promise<number> {
  const gauge = gateway.registry.getSingleMetric('seckill_gateway_requests_in_flight');
  if (gauge === undefined) throw new Error('nobody counts the requests in flight');
  return (await gauge.get()).values[0]?.value ?? 0;
}

await t.test('one more than the bound is refused before anything of it is looked at', async (t) => {
  const served = Array.from({ length: REQUESTS_MAX }, () => reserve());
  await until('all places are taken', () => waiting.length === REQUESTS_MAX);
  for (const bad of [{}, { body: '{' }, { authorization: 'Bearer x.y.z' }]) {
    const shed = await reserve(bad);
    t.match(shed, { status: 503, code: 'overloaded' }, 'neither the token nor the body counts');
    t.match(shed.headers['retry-after'], /^[123]$/);
    t.equal(shed.headers['ratelimit'], undefined, 'it was not counted');
  }
  t.equal(waiting.length, REQUESTS_MAX, 'stock did not hear of them');
  for (const path of ['/livez', '/readyz']) {
    const health = await pool.request({ method: 'GET', path });
    await health.body.dump();
    t.equal(health.statusCode, 200, 'health is exempt');
  }
  answerAll();
  t.same(new Set((await Promise.all(served)).map(({ code }) => code)), new Set(['sale_closed']));
  await until('the places are free', async () => (await inFlight()) === 0);
});

await t.test('a client that goes away gives its place back', async (t) => {
  const gone = new AbortController();
  const served = Array.from({ length: REQUESTS_MAX }, () => reserve({ signal: gone.signal }));
  await until('all places are taken', () => waiting.length === REQUESTS_MAX);
  t.match(await reserve(), { code: 'overloaded' });
  gone.abort();
  t.ok((await Promise.allSettled(served)).every(({ status }) => status === 'rejected'));
  await until('the places are free', async () => (await inFlight()) === 0);
  answerAll();
  const next = reserve();
  await until('stock is asked again', () => waiting.length === 1);
  answerAll();
  t.match(await next, { code: 'sale_closed' });
});

await t.test('a connection that goes with several requests on it gives all their places back', async () => {
  const body = '{"lines":[{"sku":"a","quantity":1}]}';
  const request = (key: number) =>
    `POST /v1/sales/oranges/reservations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n` +
    `idempotency-key: k${key}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(Array.from({ length: REQUESTS_MAX }, (_, key) => request(key)).join(''));
  await until('all places are taken', () => waiting.length === REQUESTS_MAX);
  socket.destroy();
  await until('the places are free', async () => (await inFlight()) === 0);
  answerAll();
});

await t.test('while it drains it serves on, and ends each connection with its next answer', async (t) => {
  gateway.setReady(false);
  const next = reserve();
  await until('stock is asked', () => waiting.length === 1);
  answerAll();
  const answer = await next;
  t.match(answer, { status: 410, code: 'sale_closed' });
  t.equal(answer.headers['connection'], 'close');
  const ready = await pool.request({ method: 'GET', path: '/readyz' });
  await ready.body.dump();
  t.equal(ready.statusCode, 503);
  gateway.setReady(true);
});
