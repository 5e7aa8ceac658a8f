// Goal: what a client keeps to itself comes into no log, no metric and no span, whichever operation of the
// contract it was sent to, and in whichever place. Method: for each operation of openapi.json a good call and
// every spoiled one, with a marker of its own in each place that a client can fill; then all logs of the
// three services at level debug, which has those of info in it, all metrics and all that the collector was
// sent are searched for the markers, for the services' own secrets and for what answers gave away once. Two
// things that are sent are logged with purpose, and are no secrets: `x-request-id`, and the id of a payment
// that buys nothing.
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TOPICS } from '@seckill/contracts';
import { createKafka } from '@seckill/runtime';
import { silent } from '@seckill/testing';
import t from 'tap';
import { BODIES, makeGoodCalls, readOperations, type Call, type Document } from '../client/problems/calls.ts';
import { Recorder } from '../client/problems/recorder.ts';
import { buildStack, createSale, until } from '../support/stack.ts';
import { startCollector } from './collector.ts';
import { contactOf, Marks } from './marks.ts';
import { wrongCalls } from './wrong-calls.ts';

const { endpoint, bodies, spans } = await startCollector(t);
const client = await buildStack(t, 'secrets', {
  LOG_LEVEL: 'debug',
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  OTEL_TRACES_SAMPLER_ARG: '1',
  WEBHOOK_ALLOW_PRIVATE: 'true',
});
const { info } = client.stack;
const document = JSON.parse((await client.send({ path: '/openapi.json' })).text) as Document;
const operations = readOperations(document);
const recorder = new Recorder(operations, info.gateway);
t.teardown(() => recorder.close());
const good = await makeGoodCalls(client, 'mark-buyer');
const buyer = await client.token('mark-buyer');

const marks = new Marks();
const secrets = marks.places;
const mark = (place: string): string => marks.of(place);
const HEADERS = ['cookie', 'user-agent', 'referer', 'origin', 'x-user-id', 'x-forwarded-for'];
const MORE = ['forwarded', 'proxy-authorization', 'tracestate', 'baggage', 'accept', 'x-api-key', 'if-range'];
const everywhere = Object.fromEntries(
  [...HEADERS, ...MORE].map((name) => [name, name === 'tracestate' ? `a=${mark(name)}` : mark(name)]),
);
everywhere[mark('name of a header').toLowerCase()] = 'a';
const CONTACT = contactOf(marks);

const answered = new Map<string, Set<number>>();
async function call(id: string, made: Call): Promise<{ status: number; text: string }> {
  const headers = { ...everywhere, ...made.headers };
  const query = `${made.query ?? '?'}&access_token=${mark('access_token')}&${mark('name of a parameter')}=1`;
  // With a parameter that nobody knows a request is refused, so the same is asked without it, too.
  await recorder.send(id, { ...made, headers, query });
  const answer = await recorder.send(id, { ...made, headers });
  answered.set(id, (answered.get(id) ?? new Set()).add(answer.status));
  return answer;
}
const fields = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;
const last = async (path: string): Promise<Record<string, unknown>> => {
  const { body } = await client.send({ path, token: good.operator });
  return (body['data'] as Record<string, unknown>[])[0] ?? {};
};

await t.test('every operation is called well', async (t) => {
  const kafka = createKafka({ brokers: info.kafka.split(',') }, 'secrets', silent);
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({
    topic: TOPICS.settlements.name,
    messages: [{ key: mark('key of a message'), value: mark('value of a message') }],
  });
  await producer.disconnect();

  const channels = ['north', 'south'].map((id) => ({
    id,
    kind: 'community',
    title: mark('title of a channel'),
  }));
  const at: Record<string, string> = { saleId: 'secrets', sku: 'a' };
  await createSale(client, 'secrets', { channels, metadata: { note: mark('metadata') } });
  await createSale(client, 'pears-examples');
  await createSale(client, 'ended');
  const sent: Record<string, unknown> = {
    ...BODIES,
    changeSale: { title: mark('title'), reason: mark('reason of a change') },
    createWebhookEndpoint: {
      url: `http://127.0.0.1:9/${mark('path of a webhook')}?token=${mark('token of a webhook')}`,
      events: ['order.paid', 'order.cancelled'],
    },
    finishRefund: { reference: mark('reference') },
    cancelOrder: { reason: mark('reason of a cancel') },
    pauseSale: { reason: mark('reason of a pause') },
    returnLines: { lines: [{ sku: 'a', quantity: 1 }], restock: true, reason: mark('reason of a return') },
  };
  for (const one of Object.values(sent)) {
    const lines = (one as { lines?: { sku: string }[] }).lines ?? [];
    for (const line of lines) line.sku = 'a';
  }
  const well = async (id: string, changes: Call = {}): Promise<Record<string, unknown>> => {
    const operation = operations.find((one) => one.id === id);
    if (operation === undefined) throw new Error(`there is no operation ${id}`);
    const call_ = good.callOf(operation);
    const body = sent[id];
    const key = { 'idempotency-key': mark('Idempotency-Key') };
    const needsKey = operation.parameters.some(({ name }) => name === 'Idempotency-Key');
    const headers = { ...call_.headers, ...(needsKey ? key : {}), ...changes.headers };
    const made = { ...call_, ...(body === undefined ? {} : { body }), ...changes, headers };
    const { status, text } = await call(id, { ...made, at: { ...at, ...changes.at } });
    t.ok(status < 300, `${id}: ${status} ${text.slice(0, 200)}`);
    return text.startsWith('{') ? fields(text) : {};
  };

  await well('getContract', { token: undefined });
  await well('createWebhookEndpoint').then(({ id, secret }) => {
    at['endpointId'] = String(id);
    secrets.set(String(secret), 'secret of a webhook, as it was told once');
  });
  const reserveBody = (): Call => ({
    body: { lines: [{ sku: 'a', quantity: 1 }], channelId: 'north', ref: mark('ref'), contact: CONTACT },
  });
  await well('createSale');
  const [paid, cancelled] = [await well('reserve', reserveBody()), await well('reserve', reserveBody())];
  at['orderId'] = String(cancelled['id']);
  await well('getOrder');
  await well('cancelOrder', { token: good.operator });
  at['orderId'] = String(paid['id']);
  await well('moveOrder', { body: { channelId: 'south' } });
  await well('payOrder');
  await until('it is paid', async () => {
    const { body } = await client.send({ path: `/v1/orders/${at['orderId']}`, token: good.operator });
    at['code'] = String(body['pickupCode']);
    return body['status'] === 'paid';
  });
  await well('handOut', { body: { saleId: 'secrets', code: at['code'] } });
  await well('returnLines');
  // The first is money that buys nothing any more, the second one is not understood.
  for (const amount of [{ amount: 100, currency: 'CNY' }, mark('amount')]) {
    const data = { orderId: cancelled['id'], paymentId: randomUUID(), amount };
    const body = { type: 'payment.succeeded', timestamp: new Date().toISOString(), data };
    const raw = JSON.stringify(body);
    const headers = { 'content-type': 'application/json', ...good.sign(raw) };
    await well('notifyPayment', { raw, headers });
  }
  await until('money is due', async () => 'id' in (await last('/v1/refunds?state=due')));
  await until('a letter waits', async () => 'id' in (await last('/v1/dead-letters')));
  at['refundId'] = String((await last('/v1/refunds?state=due'))['id']);
  at['letterId'] = String((await last('/v1/dead-letters'))['id']);
  await well('finishRefund');
  await well('replayDeadLetter');
  await well('finishDeadLetter');
  const deliveries = `/v1/webhook-endpoints/${at['endpointId']}/deliveries?limit=1`;
  await until('a webhook was tried', async () => 'id' in (await last(deliveries)));
  at['deliveryId'] = String((await last(deliveries))['id']);
  await well('rotateWebhookSecret').then(({ secret }) => {
    secrets.set(String(secret), 'secret of a webhook that was rotated');
  });
  for (const { id } of operations.filter(({ method }) => method === 'GET')) {
    await well(id, id === 'listPickups' ? { query: '?limit=10' } : {});
  }
  const steps = [
    'pauseItem',
    'resumeItem',
    'restockItem',
    'adjustItem',
    'changeSale',
    'pauseSale',
    'resumeSale',
  ];
  for (const id of [...steps, 'changeWebhookEndpoint', 'deleteWebhookEndpoint']) await well(id);
  await well('closeSale', { at: { saleId: 'ended' } });
  const calledWell = [...answered].filter(([, statuses]) => [...statuses].some((status) => status < 300));
  t.same(
    operations.map(({ id }) => id).filter((id) => !calledWell.some(([one]) => one === id)),
    // Each wants what fails, and is called below.
    ['replayNotice', 'replayWebhookDelivery'],
  );
});

await t.test('every operation is called in every wrong way', async (t) => {
  for (const operation of operations) {
    const { id } = operation;
    const stranger = await client.token(mark('user'));
    const wrong = wrongCalls(operation, good.callOf(operation), { marks, buyer, stranger });
    for (const one of wrong) {
      const { status } = await call(id, one);
      if (status >= 500) t.ok(status === 503, `${id}: ${status}`);
    }
    // The way to it is right, and the method is not.
    const path = operation.path.replaceAll(/\{\w+\}/g, () => mark('path, wrong method'));
    await client.send({ method: 'PUT', path: `${path}?token=${mark('query, wrong method')}`, token: buyer });
  }
  for (const path of [
    `/${mark('unknown path')}`,
    `/v1/orders/${mark('long').repeat(200)}`,
    `//${mark('host')}`,
  ]) {
    await client.send({ path, headers: everywhere, token: buyer });
  }
  // Services behind the gateway are asked without their token.
  for (const url of [info.stock, info.order]) {
    const headers = { ...everywhere, authorization: `Bearer ${mark('token of a service')}` };
    await fetch(`${url}/${mark('path of a service')}?a=${mark('query of a service')}`, { headers });
  }
});

/** What Prometheus would scrape of the services. */
const scraped: string[] = [];

await t.test('no label holds what a client chose, however many requests there were', async (t) => {
  for (const url of Object.values(info.metrics)) {
    const text = await (await fetch(url)).text();
    scraped.push(...text.split('\n').filter((line) => !line.startsWith('#')));
  }
  const told = new Set(
    scraped
      .filter((line) => line.startsWith('seckill_gateway_request_seconds_count'))
      .map((line) => /route="([^"]*)"/.exec(line)?.[1] ?? ''),
  );
  const templates = operations.map(({ path }) => path.replaceAll(/\{(\w+)\}/g, ':$1'));
  const known = new Set([...templates, 'unknown', '/livez', '/readyz']);
  t.same(
    [...told].filter((route) => !known.has(route)),
    [],
    'templates of the contract, or one word for all others',
  );
  t.ok(told.has('unknown') && told.size > templates.length / 2, `${told.size} routes`);
});

await t.test('a service that is away is told of without what was asked', async () => {
  await client.stack.kill('order');
  for (const operation of operations) {
    const well = good.callOf(operation);
    await call(operation.id, { ...well, at: { ...well.at, orderId: mark('orderId, order away') } });
    await call(operation.id, {
      ...well,
      headers: { ...well.headers, 'idempotency-key': mark('key, order away') },
    });
  }
});

await t.test('nothing of it is in a log, a metric or a span', async (t) => {
  for (const [name, value] of Object.entries({ ...info, buyer, operator: good.operator })) {
    const isSecret = /secret|token|buyer|operator/i.test(name);
    if (isSecret && typeof value === 'string') secrets.set(value, name);
  }
  secrets.set('mark-buyer', 'user of a token');
  const signature = (jwt: string): string => jwt.split('.').at(-1) ?? '';
  secrets.set(signature(buyer), 'signature of a token').set(signature(good.operator), 'signature of a token');
  t.ok(secrets.size > 1_000, `${secrets.size} secrets`);
  // Spans leave once a second.
  await new Promise((resolve) => setTimeout(resolve, 2_500));

  const folder = join(import.meta.dirname, '../../.run', client.name);
  const files = readdirSync(folder).filter((file) => /^(gateway|stock|order).*\.log$/.test(file));
  const lines = files.flatMap((file) =>
    readFileSync(join(folder, file), 'utf8')
      .split('\n')
      .map((line) => `${file}: ${line}`),
  );
  for (const service of ['gateway', 'stock', 'order']) {
    t.ok(lines.filter((line) => line.startsWith(service)).length > 5, `${service} has told something`);
  }
  t.ok(spans.length > 1_000, `${spans.length} spans`);
  const searched = [...lines, ...scraped, ...bodies.flatMap((body) => body.split('},{'))];
  const whole = searched.join('\n').toLowerCase();
  for (const [secret, place] of secrets) {
    if (!whole.includes(secret.toLowerCase())) continue;
    const line = searched.find((one) => one.toLowerCase().includes(secret.toLowerCase()));
    t.fail(`${place} (${secret}): ${line?.slice(0, 400) ?? ''}`);
  }
});
