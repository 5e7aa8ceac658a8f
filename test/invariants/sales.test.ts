// Goal: sales keep docs/http-api.md, answer by answer: how they are created, shown and steered.
// Method: the whole system on real engines, over HTTP.
import { randomUUID } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { makeReserve } from '../support/reserve.ts';
import { buildStack, createSale, saleInput, until } from '../support/stack.ts';

const client = await buildStack(t, 'sales');
const operator = await client.token('operator', true);
const buyer = await client.token('u1');
const reserve = makeReserve(client, buyer);

await t.test('a sale is created once, repeated safely, and read with a tag', async (t) => {
  const body = saleInput('created', { limitPerBuyer: 2 });
  const create = (some: unknown) =>
    client.send({ method: 'POST', path: '/v1/sales', token: operator, body: some });
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
  await createSale(client, 'shown', { ...shown, items: [item], channels: [channel] });
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
    ['image', { image: 'https://cdn.example:99999/a.png' }],
  ] as const) {
    const body = saleInput('refused', changes);
    const answer = await client.send({ method: 'POST', path: '/v1/sales', token: operator, body });
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
  await createSale(client, 'large', { channels });
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
  t.strictSame((await get('', operator)).body['channels'], channels);
  t.strictSame((await get('?channel=group-7', operator)).body['channels'], [channels[7]]);
  t.match(await get('?channel=NOT%20ONE'), { status: 400, body: { field: 'channel' } });
  t.match(await get('?channels=group-7'), { status: 400, body: { field: 'channels' } });
  t.match(await client.send({ path: '/v1/sales/none/channels' }), {
    status: 404,
    body: { code: 'sale_not_found' },
  });

  // The client of this test does not unpack by itself.
  for (const [query, token] of [
    ['/channels', undefined],
    ['', operator],
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

await t.test('only an operator may open or steer a sale', async (t) => {
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

await t.test('the window opens and closes by itself', async (t) => {
  const opensAt = new Date(Date.now() + 1_500).toISOString();
  const closesAt = new Date(Date.now() + 3_000).toISOString();
  await createSale(client, 'windowed', { opensAt, closesAt });
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
  await createSale(client, 'steered');
  const steer = (verb: string) =>
    client.send({ method: 'POST', path: `/v1/sales/steered/${verb}`, token: operator });
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
    await createSale(client, 'matched');
    const change = (verb: string, ifMatch: string, key?: string) =>
      client.send({
        method: 'POST',
        path: `/v1/sales/matched/${verb}`,
        token: operator,
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
