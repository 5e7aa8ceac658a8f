// Goal: the public API keeps docs/http-api.md, answer by answer.
// Method: the whole system on real engines, over HTTP.
import { createHmac, randomUUID } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { Redis } from 'ioredis';
import kafkajs from 'kafkajs';
import pg from 'pg';
import t from 'tap';
import { buildStack, saleInput, until, untilRows, type Client } from '../support/stack.ts';

const client = await buildStack(t, 'api');
const admin = await client.token('operator', true);
const buyer = await client.token('u1');

async function createSale(id: string, changes: Record<string, unknown> = {}): Promise<void> {
  const answer = await client.send({
    method: 'POST',
    path: '/v1/sales',
    token: admin,
    body: saleInput(id, changes),
  });
  if (answer.status !== 201) throw new Error(`sale ${id}: ${answer.status} ${answer.text}`);
}

function reserve(
  saleId: string,
  options: Partial<Parameters<Client['send']>[0]> & { quantity?: number } = {},
) {
  const { quantity = 1, ...request } = options;
  return client.send({
    method: 'POST',
    path: `/v1/sales/${saleId}/reservations`,
    token: buyer,
    key: randomUUID(),
    ...(request.raw === undefined && request.body === undefined
      ? { body: { lines: [{ sku: 'a', quantity }] } }
      : {}),
    ...request,
  });
}

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

await t.test('a sale is created once, repeated safely, and read with a tag', async (t) => {
  const body = saleInput('created', { limitPerBuyer: 2 });
  const create = (some: unknown) =>
    client.send({ method: 'POST', path: '/v1/sales', token: admin, body: some });
  const first = await create(body);
  t.equal(first.status, 201);
  t.match(first.body, { id: 'created', state: 'open', limitPerBuyer: 2, holdSeconds: 900 });
  t.equal((await create(body)).status, 200, 'same id, same body');
  const other = await create({ ...body, title: 'Another' });
  t.match(other, { status: 409, body: { code: 'sale_exists' } });

  const read = await client.send({ path: '/v1/sales/created' });
  t.match(read, {
    status: 200,
    body: { items: [{ sku: 'a', available: 10, held: 0, paid: 0, soldOut: 'no' }, {}] },
  });
  const tag = String(read.headers['etag']);
  const again = await client.send({ path: '/v1/sales/created', headers: { 'if-none-match': tag } });
  t.equal(again.status, 304);
  await reserve('created');
  const soldAt = performance.now();
  await until('the counts have changed, and the tag with them', async () => {
    const askedAt = performance.now();
    const now = await client.send({ path: '/v1/sales/created', headers: { 'if-none-match': tag } });
    if (now.status === 304) t.ok(askedAt - soldAt < 1_000, 'what is told is less than a second old');
    else t.match(now, { status: 200, body: { items: [{ available: 9, held: 1 }, {}] } });
    return now.status === 200;
  });
});

await t.test('what a shop shows of a sale, and keeps with it, comes back as it was sent', async (t) => {
  const shown = {
    title: { zh: '赣南脐橙', en: 'Gannan oranges' },
    description: { zh: '产地直发', en: 'From the grower' },
    image: 'https://cdn.example/oranges.webp?w=640',
    metadata: { campaign: 7, tags: ['fruit', { a: null }], text: '"\\ \u2028 橙' },
  };
  const item = { sku: 'a', price: { amount: 100, currency: 'CNY' }, total: 10, ...shown };
  const channel = { id: 'c', kind: 'community', title: shown.title, metadata: { tower: 3 } };
  await createSale('shown', { ...shown, items: [item], channels: [channel] });
  // The first answer comes from a call to stock, the later ones from the gateway's memory.
  for (let n = 0; n < 3; n += 1) {
    const { body } = await client.send({ path: '/v1/sales/shown?channel=c' });
    t.match(body, shown);
    t.strictSame((body['items'] as object[])[0], {
      sku: 'a',
      ...shown,
      price: item.price,
      total: 10,
      available: 10,
      held: 0,
      paid: 0,
      soldOut: 'no',
    });
    t.strictSame(body['channels'], [channel]);
  }
  for (const [field, changes] of [
    ['metadata', { metadata: { a: 'x'.repeat(2_041) } }],
    ['items.0.metadata', { items: [{ ...item, metadata: { a: '\0' } }] }],
    ['channels.0.metadata', { channels: [{ ...channel, metadata: { a: [[[[[]]]]] } }] }],
    ['title.zh', { title: { zh: '\u202e', en: 'x' } }],
    ['title.en', { title: { zh: 'x' } }],
    ['items.0.description.fr', { items: [{ ...item, description: { zh: 'x', en: 'x', fr: 'x' } }] }],
    ['image', { image: 'http://cdn.example/a.png' }],
  ] as const) {
    const body = saleInput('refused', changes);
    const answer = await client.send({ method: 'POST', path: '/v1/sales', token: admin, body });
    t.match(answer, { status: 400, body: { code: 'invalid_request', field } }, field);
  }
});

await t.test('a sale with 1,000 channels is small for a reader, and whole for an operator', async (t) => {
  const channels = Array.from({ length: 1_000 }, (_, index) => ({
    id: `group-${index}`,
    kind: 'community',
    title: `邻里团购 ${index}`,
    partnerId: `p-${index}`,
    cap: 5,
  }));
  await createSale('large', { channels });
  const open = channels.map(({ id, kind, title }) => ({ id, kind, title }));
  const get = (query = '', token?: string, headers: Record<string, string> = {}) =>
    client.send({ path: `/v1/sales/large${query}`, ...(token === undefined ? {} : { token }), headers });

  // The first answer comes from a call to stock, the later ones from the gateway's memory.
  for (let n = 0; n < 3; n += 1) {
    const small = await get();
    t.ok(small.text.length < 700, `${small.text.length} characters`);
    t.notOk('channels' in small.body);
    t.strictSame((await get('?channel=group-7')).body['channels'], [open[7]]);
    t.strictSame((await get('?channel=none')).body['channels'], []);
    t.strictSame((await get('/channels')).body, { channels: open });
  }
  t.strictSame((await get('?channel=group-7', buyer)).body['channels'], [open[7]], 'a buyer is no operator');
  t.strictSame((await get('', admin)).body['channels'], channels);
  t.strictSame((await get('?channel=group-7', admin)).body['channels'], [channels[7]]);
  t.match(await get('?channel=NOT%20ONE'), { status: 400, body: { field: 'channel' } });
  t.match(await get('?channels=group-7'), { status: 400, body: { field: 'channels' } });
  t.match(await client.send({ path: '/v1/sales/none/channels' }), {
    status: 404,
    body: { code: 'sale_not_found' },
  });

  // The client of this test does not unpack by itself.
  for (const [query, token] of [
    ['/channels', undefined],
    ['', admin],
  ] as const) {
    const plain = await get(query, token);
    const packed = await client.http.request({
      method: 'GET',
      path: `/v1/sales/large${query}`,
      headers: {
        'accept-encoding': 'gzip, br',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
    });
    const bytes = Buffer.from(await packed.body.arrayBuffer());
    t.match(packed.headers, {
      'content-encoding': 'gzip',
      vary: /accept-encoding/,
      etag: plain.headers['etag'],
    });
    t.notOk('content-encoding' in plain.headers);
    t.match(plain.headers['vary'], /accept-encoding/);
    t.ok(bytes.length < plain.text.length / 5, `${bytes.length} of ${plain.text.length}`);
    const { serverTime: _then, ...unpacked } = JSON.parse(gunzipSync(bytes).toString()) as Record<
      string,
      unknown
    >;
    const { serverTime: _now, ...told } = plain.body;
    t.strictSame(unpacked, told);
    const tagged = await get(query, token, { 'if-none-match': String(packed.headers['etag']) });
    t.match(tagged, { status: 304, text: '', headers: { vary: /accept-encoding/ } });
  }
});

await t.test('only an admin may open or steer a sale', async (t) => {
  for (const path of ['/v1/sales', '/v1/sales/created/pause', '/v1/sales/created/close']) {
    t.match(await client.send({ method: 'POST', path, token: buyer, body: {} }), {
      status: 403,
      body: { code: 'forbidden' },
    });
    t.match(await client.send({ method: 'POST', path, body: {} }), {
      status: 401,
      body: { code: 'unauthenticated' },
    });
  }
});

await t.test('a reservation becomes an order, from the first moment on', async (t) => {
  await createSale('ordered', { channels: [{ id: 'c', kind: 'community', title: 'C', cap: 5 }] });
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
  await createSale('repeated');
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
  const sale = await client.send({ path: '/v1/sales/repeated', token: admin });
  t.match(sale.body, { items: [{ available: 9, held: 1 }, {}] });
});

await t.test('a user and key are not confused with another pair that reads the same', async (t) => {
  await createSale('ambiguous');
  const one = await reserve('ambiguous', { token: await client.token('a:b'), key: 'c' });
  const two = await reserve('ambiguous', { token: await client.token('a'), key: 'b:c' });
  t.equal(one.status, 201);
  t.equal(two.status, 201);
  t.not(one.body['id'], two.body['id']);
});

await t.test('each rejection carries its code and fields', async (t) => {
  await createSale('rejecting', {
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

await t.test('the window opens and closes by itself', async (t) => {
  const opensAt = new Date(Date.now() + 1_500).toISOString();
  const closesAt = new Date(Date.now() + 3_000).toISOString();
  await createSale('windowed', { opensAt, closesAt });
  const early = await reserve('windowed');
  t.match(early, { status: 409, body: { code: 'sale_not_open', opensAt, retryable: true } });
  t.ok(Number(early.headers['retry-after']) >= 1);
  await until('it opens', async () => (await reserve('windowed')).status === 201);
  await until('it closes', async () => (await reserve('windowed')).status === 410);
  t.match(await reserve('windowed'), { body: { code: 'sale_closed' } });
  t.match(await client.send({ path: '/v1/sales/windowed' }), {
    body: { state: 'closed', items: [{ soldOut: 'final' }, {}] },
  });
});

await t.test('pause, resume and close take effect at once and bear repeats', async (t) => {
  await createSale('steered');
  const steer = (verb: string) =>
    client.send({ method: 'POST', path: `/v1/sales/steered/${verb}`, token: admin });
  const paused = await steer('pause');
  t.match(paused, { status: 200, body: { state: 'paused' } });
  t.match(await reserve('steered'), { status: 409, body: { code: 'sale_paused', retryable: true } });
  t.equal((await steer('pause')).body['version'], paused.body['version'], 'a repeat changes nothing');
  t.match(await steer('resume'), { status: 200, body: { state: 'open' } });
  const key = randomUUID();
  const first = await reserve('steered', { key });
  t.equal(first.status, 201);
  t.match(await steer('close'), { status: 200, body: { state: 'closed' } });
  t.match(await reserve('steered'), { status: 410, body: { code: 'sale_closed' } });
  t.equal((await reserve('steered', { key })).text, first.text, 'a repeat still hears its first answer');
  for (const verb of ['resume', 'pause'])
    t.match(await steer(verb), { status: 410, body: { code: 'sale_closed' } });
  t.equal((await steer('close')).status, 200);
});

await t.test(
  'If-Match: a change is made on the version it names, and never on a condition that is not understood',
  async (t) => {
    await createSale('matched');
    const change = (verb: string, ifMatch: string, key?: string) =>
      client.send({
        method: 'POST',
        path: `/v1/sales/matched/${verb}`,
        token: admin,
        headers: { 'if-match': ifMatch },
        ...(key === undefined ? {} : { key, body: { quantity: 5 } }),
      });
    const read = async () => (await client.send({ path: '/v1/sales/matched' })).body;
    const created = await read();
    const verbs = [['pause'], ['resume'], ['close'], ['items/a/restock', 'k1']] as const;
    const malformed = [
      '1',
      'W/"1"',
      '*',
      '""',
      '"0"',
      '"01"',
      '"1.0"',
      '"-1"',
      '"1',
      '"1", "2"',
      '"1", "1"',
      '',
    ];
    for (const [verb, key] of verbs) {
      for (const value of [...malformed, '"x"', '"1000000000000000"']) {
        t.match(
          await change(verb, value, key),
          { status: 400, body: { code: 'invalid_request', field: 'If-Match' } },
          `${verb} ${value}`,
        );
      }
      const told = await change(verb, '"7"', key);
      const conflict = { status: 412, body: { code: 'version_conflict', retryable: false, version: 1 } };
      t.match(told, conflict, verb);
      t.match(told.headers['content-type'], 'application/problem+json');
    }
    const { state, version, items } = await read();
    t.same(
      { state, version, items },
      { state: 'open', version: 1, items: created['items'] },
      'nothing is done',
    );

    t.match(await change('pause', '"1"'), { status: 200, body: { state: 'paused', version: 2 } });
    t.match(await change('pause', '"1"'), { status: 200, body: { version: 2 } }, 'a repeat');
    t.match(await change('resume', '"1"'), { status: 412, body: { version: 2 } });
    t.match(await change('items/a/restock', '"2"', 'k2'), { status: 200, body: { version: 3 } });
    t.match(await change('items/a/restock', '"2"', 'k2'), { status: 200, body: { version: 3 } }, 'a repeat');
    t.match(await change('items/a/restock', '"2"', 'k3'), { status: 412, body: { version: 3 } });
    t.match(await change('resume', '"3"'), { status: 200, body: { state: 'open', version: 4 } });
    t.match(await change('close', '"3"'), { status: 412, body: { version: 4 } });
    t.match(await change('close', '"4"'), { status: 200, body: { state: 'closed', version: 5 } });
    t.match(await read(), { state: 'closed', version: 5, items: [{ sku: 'a', total: 15 }, {}] });
  },
);

await t.test('bad input gets its code and changes nothing', async (t) => {
  await createSale('hostile');
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
  await createSale('listed');
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
    await createSale('traced');
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
