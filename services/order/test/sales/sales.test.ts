// Goal: a sale is created once and changed in order.
// Method: the `http` role over a real Postgres; support/stock.ts stands in for stock over real HTTP.
import type { SaleInput, SaleRecord } from '@seckill/contracts';
import { createPool } from '@seckill/runtime';
import { test } from 'tap';
import { createDatabase } from '../support/database.ts';
import { forwardTcp, silent } from '@seckill/testing';
import { makeSaleInput } from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock, TOKENS } from '../support/stock.ts';

const asRecord = (body: unknown) => body as SaleRecord;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

await test('a sale is stored with its ledger, loaded by stock, and answered 201', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call, url } = await createService(t, pool, stock.url);
  stock.orderUrl = url;
  const input = makeSaleInput({
    opensAt: '2098-12-31T23:00:00Z',
    limitPerBuyer: 2,
    holdsPerBuyerMax: 3,
    rejoinSeconds: 60,
    title: { zh: '赣南脐橙', en: 'Oranges' },
    description: '产地直发',
    image: 'https://cdn.example/oranges.webp',
    metadata: { campaign: 7, tags: ['fruit'] },
    items: makeSaleInput().items.map((item) => ({
      ...item,
      title: { zh: '脐橙', en: 'Navel orange' },
      description: { zh: '甜', en: 'Sweet' },
      image: 'https://cdn.example/orange.webp',
      metadata: { erp: 'A-1' },
    })),
    channels: [
      {
        id: 'xingfu-li',
        kind: 'community',
        title: '幸福里',
        partnerId: 'p-7',
        cap: 300,
        metadata: { tower: 3 },
      },
    ],
  });
  const { status, body } = await call('POST', '/v1/sales', { body: input });
  t.equal(status, 201);
  const record = asRecord(body);
  t.match(record, { version: 1, state: 'open', acknowledged: true });
  t.same(record.definition, {
    ...input,
    opensAt: '2098-12-31T23:00:00.000Z',
    holdSeconds: 900,
  });
  t.match(stock.applied.get(input.id ?? ''), {
    saleId: input.id,
    version: 1,
    state: 'open',
    lanes: 1,
    opensAt: Date.parse('2098-12-31T23:00:00Z'),
    closesAt: Date.parse(input.closesAt),
    holdMs: 900_000,
    limitPerBuyer: 2,
    holdsPerBuyerMax: 3,
    rejoinMs: 60_000,
    currency: 'CNY',
    items: [{ sku: 'orange', price: 2_990, total: 100 }],
    channels: [{ id: 'xingfu-li', cap: 300 }],
  });
  t.equal(stock.epochs.get(input.id ?? ''), 1, 'stock loaded it within that call, by calling us back');
  const { rows } = await pool.query('SELECT sku, total, sold, price, currency FROM ledger');
  t.same(rows, [{ sku: 'orange', total: '100', sold: '0', price: '2990', currency: 'CNY' }]);
  t.same((await call('GET', `/v1/sales/${input.id ?? ''}`)).body, body);
  t.match(await call('GET', '/v1/sales/nowhere'), { status: 404, body: { code: 'sale_not_found' } });
});

await test('the same id with the same body is 200, with another body 409', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  // The body has no opensAt. "Now" is filled in once, and the repeat is still the same request.
  const input = makeSaleInput();
  const first = await call('POST', '/v1/sales', { body: input });
  t.equal(first.status, 201);
  await sleep(5);
  const reordered = Object.fromEntries(Object.entries(input).reverse());
  for (const body of [input, reordered]) {
    t.same(await call('POST', '/v1/sales', { body }), { status: 200, body: first.body });
  }
  const others: Partial<SaleInput>[] = [
    { title: 'other' },
    { holdSeconds: 900 },
    { opensAt: asRecord(first.body).definition.opensAt },
    { limitPerBuyer: 1 },
    { metadata: {} },
    { description: 'x' },
    { items: input.items.flatMap((item) => [item, { ...item, sku: 'mango' }]) },
  ];
  for (const other of others) {
    const answer = await call('POST', '/v1/sales', { body: { ...input, ...other } });
    t.match(answer, { status: 409, body: { code: 'sale_exists' } }, JSON.stringify(other));
  }
  const { rows } = await pool.query('SELECT count(*)::int AS sales FROM sales');
  t.same(rows, [{ sales: 1 }]);
  await pool.query(`UPDATE sales SET opens_at = now() - interval '2 s', closes_at = now() - interval '1 s'`);
  t.equal((await call('POST', '/v1/sales', { body: input })).status, 200, 'also after it has closed');
});

await test('of many that create the same sale at once one gets 201, and all the same sale', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  const input = makeSaleInput();
  const answers = await Promise.all(
    Array.from({ length: 12 }, () => call('POST', '/v1/sales', { body: input })),
  );
  t.equal(answers.filter(({ status }) => status === 201).length, 1);
  t.equal(answers.filter(({ status }) => status === 200).length, 11);
  t.equal(new Set(answers.map(({ body }) => JSON.stringify(body))).size, 1);
});

await test('a sale without an id gets one', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  const { id: _id, ...input } = makeSaleInput();
  const answers = [
    await call('POST', '/v1/sales', { body: input }),
    await call('POST', '/v1/sales', { body: input }),
  ];
  const ids = answers.map(({ body }) => asRecord(body).definition.id);
  t.same(
    answers.map(({ status }) => status),
    [201, 201],
  );
  t.not(ids[0], ids[1]);
  for (const id of ids) t.match(id, /^sale-[0-9a-f]{12}$/);
});

await test('instants with an offset are kept and answered in UTC', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  const local = { opensAt: '2098-12-31T20:00:00+08:00', closesAt: '2098-12-31T07:30:00.5-05:00' };
  const utc = { opensAt: '2098-12-31T12:00:00.000Z', closesAt: '2098-12-31T12:30:00.500Z' };
  const input = makeSaleInput();
  const created = await call('POST', '/v1/sales', { body: { ...input, ...local } });
  t.equal(created.status, 201);
  t.match(asRecord(created.body).definition, utc);
  t.match(stock.applied.get(input.id ?? ''), {
    opensAt: Date.parse(utc.opensAt),
    closesAt: Date.parse(utc.closesAt),
  });
  const repeat = await call('POST', '/v1/sales', { body: { ...input, ...local } });
  t.same(repeat, { status: 200, body: created.body });
});

await test('bad input is refused with its field, and stores nothing', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  const good = makeSaleInput();
  const item = { sku: 'a', title: 'A', price: { amount: 1, currency: 'CNY' }, total: 1 };
  const channel = { id: 'xhs', kind: 'content', title: '小红书' };
  const table: [string, unknown, string][] = [
    ['no closesAt', { ...good, closesAt: undefined }, 'closesAt'],
    ['closesAt passed', { ...good, closesAt: '2020-01-01T00:00:00Z' }, 'closesAt'],
    [
      'closesAt passed, opened before',
      { ...good, opensAt: '2019-01-01T00:00:00Z', closesAt: '2020-01-01T00:00:00Z' },
      'closesAt',
    ],
    ['closesAt before opensAt', { ...good, opensAt: '2099-01-02T00:00:00Z' }, 'closesAt'],
    ['closesAt is opensAt', { ...good, opensAt: good.closesAt }, 'closesAt'],
    ['opensAt before 1970', { ...good, opensAt: '1969-12-31T23:59:58Z' }, 'opensAt'],
    ['opensAt in year 0', { ...good, opensAt: '0000-01-01T00:00:00Z' }, 'opensAt'],
    ['31 February', { ...good, closesAt: '2099-02-31T00:00:00Z' }, 'closesAt'],
    ['31 February to open', { ...good, opensAt: '2098-02-31T00:00:00Z' }, 'opensAt'],
    ['a local time', { ...good, closesAt: '2099-01-01T00:00:00' }, 'closesAt'],
    ['a local time to open', { ...good, opensAt: '2098-12-31T00:00:00' }, 'opensAt'],
    ['an offset without its colon', { ...good, closesAt: '2099-01-01T00:00:00+0800' }, 'closesAt'],
    ['31 February with an offset', { ...good, closesAt: '2099-02-31T00:00:00+08:00' }, 'closesAt'],
    [
      'closesAt is opensAt in another offset',
      { ...good, opensAt: '2098-12-31T20:00:00+08:00', closesAt: '2098-12-31T12:00:00Z' },
      'closesAt',
    ],
    ['an id with capitals', { ...good, id: 'Oranges' }, 'id'],
    ['an unknown field', { ...good, colour: 'red' }, 'colour'],
    ['no items', { ...good, items: [] }, 'items'],
    [
      '51 items',
      { ...good, items: Array.from({ length: 51 }, (_, index) => ({ ...item, sku: `s${index}` })) },
      'items',
    ],
    ['the same SKU twice', { ...good, items: [item, item] }, 'items.1.sku'],
    [
      'two currencies',
      { ...good, items: [item, { ...item, sku: 'b', price: { amount: 1, currency: 'EUR' } }] },
      'items.1.price.currency',
    ],
    ['a negative total', { ...good, items: [{ ...item, total: -1 }] }, 'items.0.total'],
    ['a total as text', { ...good, items: [{ ...item, total: '5' }] }, 'items.0.total'],
    ['half a unit', { ...good, items: [{ ...item, total: 1.5 }] }, 'items.0.total'],
    ['a total beyond the bound', { ...good, items: [{ ...item, total: 10_000_001 }] }, 'items.0.total'],
    ['NUL in a title', { ...good, title: 'a\u0000b' }, 'title'],
    ['an empty title', { ...good, title: '' }, 'title'],
    ['a hold of 0 s', { ...good, holdSeconds: 0 }, 'holdSeconds'],
    ['a hold beyond a day', { ...good, holdSeconds: 86_401 }, 'holdSeconds'],
    ['a limit of 0', { ...good, limitPerBuyer: 0 }, 'limitPerBuyer'],
    ['no hold at all', { ...good, holdsPerBuyerMax: 0 }, 'holdsPerBuyerMax'],
    ['a cool-down of 0 s', { ...good, rejoinSeconds: 0 }, 'rejoinSeconds'],
    ['a cool-down beyond a day', { ...good, rejoinSeconds: 86_401 }, 'rejoinSeconds'],
    ['the same channel twice', { ...good, channels: [channel, channel] }, 'channels.1.id'],
    ['an unknown kind', { ...good, channels: [{ ...channel, kind: 'tv' }] }, 'channels.0.kind'],
    ['null for an optional field', { ...good, limitPerBuyer: null }, 'limitPerBuyer'],
    ['an image at no port', { ...good, image: 'https://cdn.example:99999/a.png' }, 'image'],
    ['an image of an item', { ...good, items: [{ ...item, image: 'https://1.2.3.999/' }] }, 'items.0.image'],
    [
      'crates that no buyer may have',
      { ...good, limitPerBuyer: 5, items: [item, { ...item, sku: 'b', step: 6 }] },
      'limitPerBuyer',
    ],
    [
      'a kit that no buyer may have',
      {
        ...good,
        limitPerBuyer: 2,
        items: [item, { sku: 'k', title: 'K', price: item.price, components: [{ sku: 'a', quantity: 3 }] }],
      },
      'limitPerBuyer',
    ],
    ['a list', [good], 'body'],
  ];
  for (const [name, body, field] of table) {
    const answer = await call('POST', '/v1/sales', { body });
    t.match(answer, { status: 400, body: { code: 'invalid_request', field } }, name);
  }
  t.match(await call('POST', '/v1/sales', { body: { ...good, title: 'x'.repeat(1_048_576) } }), {
    status: 413,
    body: { code: 'body_too_large' },
  });
  for (const path of ['/v1/sales/NOT-AN-ID', '/v1/sales/-']) {
    t.match(await call('GET', path), { status: 400, body: { code: 'invalid_request', field: 'saleId' } });
  }
  const { rows } = await pool.query('SELECT count(*)::int AS sales FROM sales');
  t.same(rows, [{ sales: 0 }]);
  t.same(stock.seen, []);
});

await test('each route takes its own callers only', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  const table = [
    ['GET', '/v1/sales/any', TOKENS.stock],
    ['POST', '/v1/sales/any/pause', TOKENS.stock],
    ['GET', '/v1/orders', TOKENS.order],
    ['POST', '/internal/sales/any/snapshots', TOKENS.gateway],
    ['POST', '/internal/sales/any/openings', TOKENS.gateway],
  ] as const;
  for (const [method, path, wrong] of table) {
    const body = method === 'POST' ? {} : undefined;
    t.match(
      await call(method, path, { token: wrong, body }),
      { status: 403, body: { code: 'forbidden' } },
      path,
    );
    t.match(
      await call(method, path, { token: null, body }),
      { status: 401, body: { code: 'unauthenticated' } },
      path,
    );
  }
});

await test('pause, resume and close raise the version once; closed is for ever', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  const id = makeSaleInput().id ?? '';
  await call('POST', '/v1/sales', { body: makeSaleInput({ id }) });
  const steps = [
    ['resume', 200, 'open', 1],
    ['pause', 200, 'paused', 2],
    ['pause', 200, 'paused', 2],
    ['resume', 200, 'open', 3],
    ['resume', 200, 'open', 3],
    ['pause', 200, 'paused', 4],
    ['close', 200, 'closed', 5],
    ['close', 200, 'closed', 5],
    ['pause', 410, 'closed', 5],
    ['resume', 410, 'closed', 5],
  ] as const;
  for (const [verb, status, state, version] of steps) {
    const answer = await call('POST', `/v1/sales/${id}/${verb}`);
    t.equal(answer.status, status, verb);
    if (status === 200) t.match(answer.body, { state, version, acknowledged: true }, verb);
    else t.equal(answer.body['code'], 'sale_closed');
    t.match(stock.applied.get(id), { state, version }, 'and stock stands there too');
  }
  t.same(
    [...new Set(stock.seen.map(({ version }) => version))],
    [1, 2, 3, 4, 5],
    'sent in the order of versions',
  );
  t.match(await call('POST', '/v1/sales/nowhere/pause'), { status: 404, body: { code: 'sale_not_found' } });
});

await test('a sale whose window has passed can be closed, but neither paused nor resumed', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  const id = makeSaleInput().id ?? '';
  await call('POST', '/v1/sales', { body: makeSaleInput({ id }) });
  await pool.query(`UPDATE sales SET opens_at = now() - interval '2 s', closes_at = now() - interval '1 s'`);
  for (const verb of ['pause', 'resume']) {
    t.match(await call('POST', `/v1/sales/${id}/${verb}`), { status: 410, body: { code: 'sale_closed' } });
  }
  t.match(await call('POST', `/v1/sales/${id}/close`), {
    status: 200,
    body: { state: 'closed', version: 2 },
  });
});

await test('racing pauses and resumes end in one order, the same in stock', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  stock.delayMs = 5;
  const { call } = await createService(t, pool, stock.url);
  const id = makeSaleInput().id ?? '';
  await call('POST', '/v1/sales', { body: makeSaleInput({ id }) });
  const verbs = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? 'pause' : 'resume'));
  const answers = await Promise.all(verbs.map((verb) => call('POST', `/v1/sales/${id}/${verb}`)));
  t.same([...new Set(answers.map(({ status }) => status))], [200]);
  const { body } = await call('GET', `/v1/sales/${id}`);
  t.match(stock.applied.get(id), { version: body['version'], state: body['state'] });
});

await test('Postgres away: a read is overloaded, a write unknown, and both work again afterwards', async (t) => {
  const { url, pool } = await createDatabase(t);
  const stock = await createStock(t);
  const proxy = await forwardTcp(t, url);
  const proxied = createPool(proxy.url, silent, { max: 4 });
  t.teardown(() => proxied.end());
  const { call } = await createService(t, proxied, stock.url);
  const input = makeSaleInput();
  await call('POST', '/v1/sales', { body: input });
  await proxy.cut();
  const path = `/v1/sales/${input.id ?? ''}`;
  t.match(await call('GET', path), { status: 503, body: { code: 'overloaded', retryable: true } });
  t.match(await call('POST', `${path}/pause`), { status: 503, body: { code: 'outcome_unknown' } });
  await proxy.mend();
  t.equal((await call('GET', path)).status, 200);
  t.match(await call('POST', `${path}/pause`), {
    status: 200,
    body: { state: 'paused', acknowledged: true },
  });
  const { rows } = await pool.query('SELECT version::int FROM sales');
  t.same(rows, [{ version: 2 }]);
});
