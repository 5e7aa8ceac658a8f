// Goal: reservations and their orders keep docs/http-api.md, answer by answer.
// Method: the whole system on real engines, over HTTP.
import { createHmac, randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import kafkajs from 'kafkajs';
import pg from 'pg';
import t from 'tap';
import { makeReserve } from '../support/reserve.ts';
import { buildStack, createSale, until, untilRows } from '../support/stack.ts';

const client = await buildStack(t, 'reservations');
const buyer = await client.token('u1');
const reserve = makeReserve(client, buyer);

/** Reads everything that the engines hold of a sale, to show that nothing changed. */
async function fingerprintOf(saleId: string): Promise<string> {
  const redis = new Redis(client.stack.info.redis);
  const postgres = new pg.Client({ connectionString: client.stack.info.postgres });
  await postgres.connect();
  try {
    const keys = (await redis.keys(`seckill:{${saleId}:*`)).filter((key) => !key.endsWith(':lease')).sort();
    const dumps = await Promise.all(
      keys.map(async (key) => [key, (await redis.dumpBuffer(key)).toString('hex')]),
    );
    const { rows } = await postgres.query(
      `SELECT (SELECT count(*) FROM orders WHERE sale_id = $1) AS orders, (SELECT json_agg(l) FROM ledger l WHERE sale_id = $1) AS ledger`,
      [saleId],
    );
    return JSON.stringify([dumps, rows]);
  } finally {
    redis.disconnect();
    await postgres.end();
  }
}

await t.test('a reservation becomes an order, from the first moment on', async (t) => {
  await createSale(client, 'ordered', { channels: [{ id: 'c', kind: 'community', title: 'C', cap: 5 }] });
  const body = {
    lines: [
      { sku: 'b', quantity: 1 },
      { sku: 'a', quantity: 2 },
    ],
    channelId: 'c',
    ref: 'note-🍊',
    metadata: { zebra: '"\\\n🍊', apple: { gift: true } },
  };
  const answer = await reserve('ordered', { body });
  t.equal(answer.status, 201);
  t.match(answer.body, {
    saleId: 'ordered',
    userId: 'u1',
    status: 'pending',
    channelId: 'c',
    ref: 'note-🍊',
    metadata: { zebra: '"\\\n🍊', apple: { gift: true } },
    amount: { amount: 450, currency: 'CNY' },
    lines: [
      { sku: 'b', quantity: 1, price: { amount: 250, currency: 'CNY' } },
      { sku: 'a', quantity: 2, price: { amount: 100, currency: 'CNY' } },
    ],
  });
  const path = `/v1/orders/${String(answer.body['id'])}`;
  const early = await client.send({ path, token: buyer });
  t.match(early, { status: 200, body: { id: answer.body['id'], status: 'pending' } }, 'from hold or row');
  const stranger = await client.token('u2');
  t.match(await client.send({ path, token: stranger }), { status: 404, body: { code: 'order_not_found' } });
  await untilRows(client, 'ordered', 1);
  const { userId: _owner, ...order } = answer.body;
  t.strictSame((await client.send({ path, token: buyer })).body, order, 'the row tells what the 201 told');
});

await t.test('the same key gets the same bytes; another request under it is refused', async (t) => {
  await createSale(client, 'repeated');
  const key = randomUUID();
  const first = await reserve('repeated', { key });
  const second = await reserve('repeated', { key: `"${key}"` });
  t.equal(second.status, 201);
  t.equal(second.text, first.text);
  t.equal(second.headers['idempotent-replayed'], 'true');
  t.equal(first.headers['idempotent-replayed'], undefined);
  t.match(await reserve('repeated', { key, quantity: 2 }), { status: 422, body: { code: 'key_reused' } });
  const withMetadata = { body: { lines: [{ sku: 'a', quantity: 1 }], metadata: {} } };
  t.match(await reserve('repeated', { key, ...withMetadata }), { status: 422, body: { code: 'key_reused' } });
  const answers = await Promise.all(Array.from({ length: 200 }, () => reserve('repeated', { key })));
  t.same(new Set(answers.map(({ text }) => text)), new Set([first.text]));
  const sale = await client.send({ path: '/v1/sales/repeated', token: await client.token('operator', true) });
  t.match(sale.body, { items: [{ available: 9, held: 1 }, {}] });
});

await t.test('a user and key are not confused with another pair that reads the same', async (t) => {
  await createSale(client, 'ambiguous');
  const one = await reserve('ambiguous', { token: await client.token('a:b'), key: 'c' });
  const two = await reserve('ambiguous', { token: await client.token('a'), key: 'b:c' });
  t.equal(one.status, 201);
  t.equal(two.status, 201);
  t.not(one.body['id'], two.body['id']);
});

await t.test('each rejection carries its code and fields', async (t) => {
  await createSale(client, 'rejecting', {
    limitPerBuyer: 3,
    channels: [{ id: 'small', kind: 'community', title: 'S', cap: 2 }],
  });
  const ask = (lines: unknown, more: object = {}) => reserve('rejecting', { body: { lines, ...more } });
  t.match(await ask([{ sku: 'zz', quantity: 1 }]), {
    status: 404,
    body: { code: 'sku_not_found', sku: 'zz' },
  });
  t.match(await ask([{ sku: 'a', quantity: 1 }], { channelId: 'none' }), {
    status: 404,
    body: { code: 'channel_not_found' },
  });
  t.match(await ask([{ sku: 'a', quantity: 11 }]), {
    status: 409,
    body: { code: 'sold_out', sku: 'a', available: 10, final: false, retryable: false },
  });
  t.match(
    await ask([
      { sku: 'a', quantity: 11 },
      { sku: 'b', quantity: 6 },
      { sku: 'zz', quantity: 1 },
    ]),
    {
      body: {
        code: 'sku_not_found',
        lines: [
          { sku: 'a', code: 'sold_out', available: 10 },
          { sku: 'b', code: 'sold_out', available: 5 },
          { sku: 'zz', code: 'sku_not_found' },
        ],
      },
    },
    'every line that fails is named',
  );
  t.match(await ask([{ sku: 'a', quantity: 4 }]), {
    status: 409,
    body: { code: 'limit_reached', limit: 3, held: 0, retryable: false },
  });
  t.match(await ask([{ sku: 'a', quantity: 3 }], { channelId: 'small' }), {
    status: 409,
    body: { code: 'channel_full', cap: 2, retryable: false },
  });
  t.match(await reserve('nowhere'), { status: 404, body: { code: 'sale_not_found', retryable: false } });
});

await t.test('bad input gets its code and changes nothing', async (t) => {
  await createSale(client, 'hostile');
  const line = { sku: 'a', quantity: 1 };
  const before = await fingerprintOf('hostile');
  const secret = client.stack.info.jwtSecret;
  const forge = (header: object, payload: object, key: string) => {
    const content = [header, payload]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    return `${content}.${createHmac('sha256', key).update(content).digest('base64url')}`;
  };
  const now = Math.floor(Date.now() / 1_000);
  const cases: [string, Parameters<typeof reserve>[1], number, string, string?][] = [
    ['no key', { headers: {}, key: '' }, 400, 'invalid_request', 'Idempotency-Key'],
    ['key with a space', { key: 'a b' }, 400, 'invalid_request', 'Idempotency-Key'],
    ['key too long', { key: 'k'.repeat(256) }, 400, 'invalid_request', 'Idempotency-Key'],
    ['bad JSON', { raw: '{"lines":[' }, 400, 'invalid_request'],
    ['empty body', { raw: '' }, 400, 'invalid_request'],
    ['an array', { raw: '[]' }, 400, 'invalid_request'],
    ['no lines', { body: { lines: [] } }, 400, 'invalid_request', 'lines'],
    ['quantity 0', { quantity: 0 }, 400, 'invalid_request', 'lines.0.quantity'],
    ['quantity -1', { quantity: -1 }, 400, 'invalid_request', 'lines.0.quantity'],
    ['quantity 1.5', { quantity: 1.5 }, 400, 'invalid_request', 'lines.0.quantity'],
    ['quantity 101', { quantity: 101 }, 400, 'invalid_request', 'lines.0.quantity'],
    [
      '21 lines',
      { body: { lines: Array.from({ length: 21 }, (_, n) => ({ sku: `s${n}`, quantity: 1 })) } },
      400,
      'invalid_request',
      'lines',
    ],
    ['same SKU twice', { body: { lines: [line, line] } }, 400, 'invalid_request', 'lines.1.sku'],
    ['unknown field', { body: { lines: [line], userId: 'u2' } }, 400, 'invalid_request', 'userId'],
    ['NUL in ref', { body: { lines: [line], ref: 'a\u0000b' } }, 400, 'invalid_request', 'ref'],
    ['line feed in ref', { body: { lines: [line], ref: 'a\nb' } }, 400, 'invalid_request', 'ref'],
    ['ref too long', { body: { lines: [line], ref: 'r'.repeat(65) } }, 400, 'invalid_request', 'ref'],
    [
      'metadata of 2,049 bytes',
      { body: { lines: [line], metadata: { a: 'x'.repeat(2_041) } } },
      400,
      'invalid_request',
      'metadata',
    ],
    ['a list as metadata', { body: { lines: [line], metadata: [] } }, 400, 'invalid_request', 'metadata'],
    [
      'NUL in metadata',
      { body: { lines: [line], metadata: { a: '\0' } } },
      400,
      'invalid_request',
      'metadata',
    ],
    [
      'a number in metadata that JSON does not keep',
      { raw: '{"lines":[{"sku":"a","quantity":1}],"metadata":{"a":9007199254740993}}' },
      400,
      'invalid_request',
      'metadata',
    ],
    ['null for an optional field', { body: { lines: [line], ref: null } }, 400, 'invalid_request', 'ref'],
    [
      '__proto__',
      { raw: '{"lines":[{"sku":"a","quantity":1}],"__proto__":{"x":1}}' },
      400,
      'invalid_request',
    ],
    [
      'body of 1 MB',
      { raw: JSON.stringify({ lines: [line], ref: 'x'.repeat(1_000_000) }) },
      413,
      'body_too_large',
    ],
    ['text/plain', { headers: { 'content-type': 'text/plain' } }, 415, 'unsupported_media_type'],
    ['bad sale id', { path: '/v1/sales/Not_An_Id/reservations' }, 400, 'invalid_request', 'saleId'],
    ['wrong method', { method: 'PUT' }, 405, 'method_not_allowed'],
    ['no token', { token: '' }, 401, 'unauthenticated'],
    [
      'expired token',
      { token: forge({ alg: 'HS256' }, { sub: 'u1', exp: now - 10 }, secret) },
      401,
      'unauthenticated',
    ],
    [
      'forged token',
      { token: forge({ alg: 'HS256' }, { sub: 'u1', exp: now + 60 }, 'x'.repeat(32)) },
      401,
      'unauthenticated',
    ],
    [
      'alg none',
      { token: forge({ alg: 'none' }, { sub: 'u1', exp: now + 60 }, '').replace(/[^.]*$/, '') },
      401,
      'unauthenticated',
    ],
    ['unknown SKU', { body: { lines: [{ sku: 'nope', quantity: 1 }] } }, 404, 'sku_not_found'],
  ];
  for (const [name, request, status, code, field] of cases) {
    const answer = await reserve('hostile', request);
    t.match(answer, { status, body: { code, status, instance: answer.headers['x-request-id'] } }, name);
    t.match(answer.headers['content-type'], 'application/problem+json', name);
    if (field !== undefined) t.equal(answer.body['field'], field, name);
  }
  t.equal(await fingerprintOf('hostile'), before, 'nothing changed in Redis or Postgres');
});

await t.test('a token that is bad is told so before a body that is bad', async (t) => {
  t.match(await reserve('hostile', { token: 'x.y.z', raw: '{' }), { status: 401 });
});

await t.test('orders are listed newest first, page by page', async (t) => {
  await createSale(client, 'listed');
  const user = await client.token('lister');
  const ids: string[] = [];
  for (let count = 0; count < 5; count += 1) {
    ids.unshift(String((await reserve('listed', { token: user })).body['id']));
  }
  const read = (query: string) => client.send({ path: `/v1/orders?saleId=listed${query}`, token: user });
  await untilRows(client, 'listed', 5);
  const seen: string[] = [];
  let cursor = '';
  do {
    const page = await read(`&limit=2${cursor}`);
    t.equal(page.status, 200);
    seen.push(...(page.body['data'] as { id: string }[]).map(({ id }) => id));
    const next = page.body['nextCursor'];
    cursor = typeof next === 'string' ? `&cursor=${encodeURIComponent(next)}` : '';
  } while (cursor !== '' && seen.length < 10);
  t.strictSame(seen, ids);
  for (const query of ['&limit=0', '&limit=101', '&limit=x', '&cursor=%00', '&status=lost', '&unknown=1']) {
    t.match(await read(query), { status: 400, body: { code: 'invalid_request' } }, query);
  }
});

await t.test(
  'a traceparent travels to Kafka, one that is none does not, and batches keep them apart',
  async (t) => {
    await createSale(client, 'traced');
    const good = (index: number) => `00-0af7651916cd43dd8448eb211c80319${index}-b7ad6b7169203331-01`;
    const sent = [good(1), good(2), undefined, 'nonsense', `${good(3)}-more`, good(4).replace(/^00/, 'ff')];
    const expected = new Map<string, string | undefined>();
    await Promise.all(
      sent.map(async (traceparent, index) => {
        const headers: Record<string, string> = traceparent === undefined ? {} : { traceparent };
        const answer = await reserve('traced', { token: await client.token(`traced-${index}`), headers });
        expected.set(String(answer.body['id']), index < 2 ? traceparent : undefined);
      }),
    );
    const { Kafka, logLevel } = kafkajs;
    const kafka = new Kafka({ brokers: [client.stack.info.kafka], logLevel: logLevel.NOTHING });
    const consumer = kafka.consumer({ groupId: randomUUID() });
    await consumer.connect();
    t.teardown(() => consumer.disconnect());
    await consumer.subscribe({ topic: 'seckill.reservations', fromBeginning: true });
    const told = new Map<string, string | undefined>();
    await consumer.run({
      eachMessage: async ({ message }) => {
        const id = String(message.key);
        if (expected.has(id)) told.set(id, message.headers?.['traceparent']?.toString());
      },
    });
    await until('every message has come', async () => told.size === sent.length, 30_000);
    t.same(told, expected);
  },
);

await t.test('services refuse whoever is not the right caller', async (t) => {
  const { stock, order } = client.stack.info;
  const calls: [string, string, string][] = [
    ['POST', `${stock}/internal/reservations`, client.stack.info.orderToken],
    ['PUT', `${stock}/internal/sales/hostile`, client.stack.info.gatewayToken],
    ['POST', `${order}/internal/sales/hostile/snapshots`, client.stack.info.gatewayToken],
    ['POST', `${order}/v1/sales`, client.stack.info.stockToken],
  ];
  for (const [method, url, wrongToken] of calls) {
    const send = async (headers: Record<string, string>) =>
      (await fetch(url, { method, headers: { 'content-type': 'application/json', ...headers }, body: '{}' }))
        .status;
    t.equal(await send({}), 401, `${url} without a credential`);
    t.equal(await send({ authorization: `Bearer ${wrongToken}` }), 403, `${url} with another service's`);
  }
});
