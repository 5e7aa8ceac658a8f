// Goal: one trace leads from a buyer's request over all services to the row of the order, its settlement and
// the webhook that tells of it; what is not sampled costs nothing and is not told.
// Method: the whole system tells its spans to a collector of this process.
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { run } from '@seckill/stack';
import pg from 'pg';
import t from 'tap';
import { buildStack, createSale, until, type Client } from '../support/stack.ts';
import { startCollector, type ReceivedSpan } from './collector.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const CLIENT_SPAN = 'b7ad6b7169203331';
/** What one buyer's way from the request to the webhook consists of. */
const SPANS = [
  'POST /v1/sales/:saleId/reservations',
  'reserve',
  'send seckill.reservations',
  'process seckill.reservations',
  'send seckill.settlements',
  'process seckill.settlements',
  'deliver webhook',
];

/** What all gateways have logged so far. */
function logOf(client: Client): string {
  const folder = join(import.meta.dirname, '../../.run', client.name);
  const files = readdirSync(folder).filter((file) => /^gateway.*\.log$/.test(file));
  return files.map((file) => readFileSync(join(folder, file), 'utf8')).join('');
}

async function buy(client: Client, saleId: string, userId: string, headers: Record<string, string> = {}) {
  const token = await client.token(userId);
  const answer = await client.send({
    method: 'POST',
    path: `/v1/sales/${saleId}/reservations`,
    token,
    key: `key-${userId}`,
    body: { lines: [{ sku: 'a', quantity: 1 }] },
    headers,
  });
  return { id: String(answer.body['id']), token, status: answer.status };
}

await t.test('a buyer, the row, the settlement and the webhook are one trace', async (t) => {
  const { endpoint, spans, bodies } = await startCollector(t);
  const client = await buildStack(t, 'traces', {
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_TRACES_SAMPLER_ARG: '1',
    PAYMENTS: 'sandbox',
    WEBHOOK_ALLOW_PRIVATE: 'true',
  });
  const told: string[] = [];
  const shop = createServer((request, response) => {
    request.on('data', (part: Buffer) => told.push(part.toString()));
    request.on('end', () => response.end());
  });
  shop.listen(0, '127.0.0.1');
  await new Promise((resolve) => shop.once('listening', resolve));
  t.teardown(() => {
    shop.closeAllConnections();
    shop.close();
  });
  const registered = await client.send({
    method: 'POST',
    path: '/v1/webhook-endpoints',
    token: await client.token('operator', true),
    body: { url: `http://127.0.0.1:${(shop.address() as AddressInfo).port}/`, events: ['order.paid'] },
  });
  t.equal(registered.status, 201, registered.text);
  await createSale(client, 'traced');

  const { id, token, status } = await buy(client, 'traced', 'anna', {
    traceparent: `00-${TRACE_ID}-${CLIENT_SPAN}-01`,
  });
  t.equal(status, 201);
  const paid = await client.send({ method: 'POST', path: `/v1/orders/${id}/pay`, token });
  t.equal(paid.status, 200, paid.text);

  const ours = () => spans.filter(({ traceId }) => traceId === TRACE_ID);
  const named = (name: string) => ours().find((span) => span.name === name);
  // Each process sends its spans when its own timer says so: the last to happen is not the last to arrive.
  const isBatch = ({ name, links }: ReceivedSpan) =>
    name === 'process seckill.reservations batch' && links.includes(TRACE_ID);
  const isPayment = ({ name }: ReceivedSpan) => name === 'POST /v1/orders/:orderId/pay';
  const ofPayment = () => {
    const traceId = spans.find(isPayment)?.traceId;
    return spans.find((span) => span.service === 'order' && span.traceId === traceId);
  };
  await until('every span', () =>
    Promise.resolve(SPANS.every((name) => named(name)) && spans.some(isBatch) && ofPayment() !== undefined),
  );

  const parentOf = (name: string) => {
    const span = named(name);
    const parent = ours().find(({ spanId }) => spanId === span?.parentSpanId);
    return span && `${span.service} after ${parent === undefined ? span.parentSpanId : parent.name}`;
  };
  t.strictSame(
    {
      gateway: parentOf('POST /v1/sales/:saleId/reservations'),
      reserve: parentOf('reserve'),
      sent: parentOf('send seckill.reservations'),
      stored: parentOf('process seckill.reservations'),
      settled: parentOf('send seckill.settlements'),
      gone: parentOf('process seckill.settlements'),
      webhook: parentOf('deliver webhook'),
    },
    {
      gateway: `gateway after ${CLIENT_SPAN}`,
      reserve: 'stock after POST /v1/sales/:saleId/reservations',
      sent: 'stock after reserve',
      stored: 'order after send seckill.reservations',
      settled: 'order after send seckill.reservations',
      gone: 'stock after send seckill.settlements',
      webhook: 'order after send seckill.reservations',
    },
  );
  // The first call to stock asks for the clock of the sale's Redis, too.
  const outcomes = ours().flatMap(({ attributes }) => attributes['seckill.outcome'] ?? []);
  t.equal(outcomes.at(-1), 'reserved');
  t.notOk(ours().some(({ hasFailed }) => hasFailed));
  t.ok(spans.find(isBatch), 'one span for what the intake did at once, which links to the orders in it');
  t.ok(ofPayment(), 'what order did for the payment is in the trace of the payment');

  await t.test('the row names the trace, and so do the gateway’s lines', async (t) => {
    const postgres = new pg.Client({ connectionString: client.stack.info.postgres });
    await postgres.connect();
    t.teardown(() => postgres.end());
    const { rows } = await postgres.query<{ traceparent: string }>(
      'SELECT traceparent FROM orders WHERE id = $1',
      [id],
    );
    t.match(rows[0]?.traceparent, new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-01$`));
    t.match(logOf(client), new RegExp(`"traceId":"${TRACE_ID}"`));
  });

  await t.test('npm run logs tells the story of the order, of PostgreSQL and of the services', async (t) => {
    const program = join(import.meta.dirname, '../../services/order/dist/commands/logs.js');
    const args = [program, '--order', id, '--name', client.name];
    const told = await run(process.execPath, args, { timeoutMs: 20_000 });
    t.ok(told.ok, told.stderr);
    const lines = told.stdout.trimEnd().split('\n');
    const places = [
      /redis +reserved as 1-1 of lane 0, held until /,
      /orders +stored$/,
      /payments +notice of payment/,
      /orders +paid$/,
      /outbox +settlement written: paid$/,
      /webhooks +order\.paid delivered after 1 attempts, last answer 200$/,
      /gateway +request, one of many .*route=\/v1\/sales\/:saleId\/reservations status=201/,
    ].map((pattern) => lines.findIndex((line) => pattern.test(line)));
    t.notOk(places.includes(-1), told.stdout);
    const instants = lines.map((line) => line.split(' ', 1)[0] ?? '');
    t.strictSame(instants, [...instants].sort(), 'oldest first');
    const none = await run(process.execPath, [...args.slice(0, 2), `${id.slice(0, -1)}-`, ...args.slice(3)], {
      timeoutMs: 20_000,
    });
    t.notOk(none.ok);
    t.match(none.stderr, /^no row of /);
  });

  await t.test('no span names a buyer, a key or an order', (t) => {
    const text = bodies.join('\n');
    for (const secret of ['anna', 'key-anna', id, token]) t.notOk(text.includes(secret), secret);
    t.end();
  });
});

await t.test('what is not sampled is not told, whatever a client asks for', async (t) => {
  const { endpoint, spans } = await startCollector(t);
  const client = await buildStack(t, 'untraced', {
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_TRACES_SAMPLER_ARG: '0',
  });
  await createSale(client, 'untraced');
  const { id, status } = await buy(client, 'untraced', 'anna', {
    traceparent: `00-${TRACE_ID}-${CLIENT_SPAN}-01`,
  });
  t.equal(status, 201);
  const postgres = new pg.Client({ connectionString: client.stack.info.postgres });
  await postgres.connect();
  t.teardown(() => postgres.end());
  const read = () =>
    postgres.query<{ traceparent: string | null }>('SELECT traceparent FROM orders WHERE id = $1', [id]);
  await until('the row', async () => (await read()).rows.length === 1);
  t.strictSame((await read()).rows, [{ traceparent: null }]);
  // Spans leave once a second.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  t.strictSame(spans, []);
});

await t.test('a collector that is away delays nobody', async (t) => {
  const client = await buildStack(t, 'uncollected', {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
    OTEL_TRACES_SAMPLER_ARG: '1',
  });
  await createSale(client, 'uncollected');
  const startedAt = Date.now();
  t.equal((await buy(client, 'uncollected', 'anna')).status, 201);
  t.ok(Date.now() - startedAt < 5_000, 'sooner than the exporter gives up');
  await until('the line of log', () => Promise.resolve(logOf(client).includes('tracing: spans are lost')));
  t.equal((await buy(client, 'uncollected', 'berta')).status, 201);
});
