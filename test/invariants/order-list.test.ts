// Goal: a buyer's list of orders shows a reservation from its 201 on, page by page, at every gateway, also
// while rows do not come, and without its contact.
// Method: the whole system over HTTP, with a second gateway; stock runs for a while without its relay, so
// nothing reaches Kafka, and order without its intake, so nothing becomes a row.
import { randomBytes, randomUUID } from 'node:crypto';
import t from 'tap';
import { buildStack, createSale, oneItem, until } from '../support/stack.ts';

const CONTACT_KEY = randomBytes(32).toString('base64');
const client = await buildStack(t, 'order-list', { CONTACT_KEY });
const { stack } = client;

interface Listed {
  id: string;
  status: string;
  saleId: string;
}

async function reserve(token: string, saleId: string, more = {}): Promise<Record<string, unknown>> {
  const request = { path: `/v1/sales/${saleId}/reservations`, token, key: randomUUID() };
  const body = { lines: [{ sku: 'a', quantity: 1 }], ...more };
  const answer = await client.send({ method: 'POST', ...request, body });
  if (answer.status !== 201) throw new Error(`${answer.status} ${answer.text}`);
  return answer.body;
}

async function list(token: string, query = ''): Promise<{ data: Listed[]; nextCursor?: string }> {
  const answer = await client.send({ path: `/v1/orders${query}`, token });
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
  return answer.body as unknown as { data: Listed[]; nextCursor?: string };
}

/** Reads all pages, each of two orders. */
async function listPages(token: string): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await list(token, `?limit=2${cursor === undefined ? '' : `&cursor=${cursor}`}`);
    if (page.data.length > 2) throw new Error('a page is longer than its limit');
    ids.push(...page.data.map(({ id }) => id));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return ids;
}

await t.test('a list asked right after the 201 shows the order as the order itself does', async (t) => {
  await createSale(client, 'list-now', { items: [oneItem(100)] });
  const token = await client.token('list-now-buyer');
  for (let round = 1; round <= 5; round += 1) {
    const { id, userId: _owner, ...reservation } = await reserve(token, 'list-now');
    const { data } = await list(token);
    t.equal(data.length, round);
    t.same(data[0], { id, ...reservation });
    t.same(data[0], (await client.send({ path: `/v1/orders/${String(id)}`, token })).body);
  }
  t.equal((await listPages(token)).length, 5);
});

await t.test('while no rows come, pages, filters and owners are as with rows', async (t) => {
  const token = await client.token('list-wait-buyer');
  await createSale(client, 'list-stored', { items: [oneItem(10)] });
  await createSale(client, 'list-wait', { items: [oneItem(100)] });
  const stored = [String((await reserve(token, 'list-stored'))['id'])];
  stored.unshift(String((await reserve(token, 'list-stored'))['id']));
  await until('two rows', async () => {
    const rows = await Promise.all(
      stored.map((id) => client.send({ method: 'POST', path: `/v1/orders/${id}/cancel`, token })),
    );
    return rows.every(({ status }) => status === 200);
  });
  await stack.restart('stock', { ROLES: 'http,settler' });
  const waiting: string[] = [];
  const all: string[] = [];
  try {
    await until('the sale sells', async () => {
      const { body } = await client.send({ path: '/v1/sales/list-wait' });
      return body['state'] === 'open';
    });
    for (let count = 0; count < 5; count += 1) {
      waiting.unshift(String((await reserve(token, 'list-wait'))['id']));
    }
    all.push(...waiting, ...stored);
    const contact = { name: 'Wang', phone: '13800138000' };
    const named = await client.token('list-named');
    const { id } = await reserve(named, 'list-wait', { contact });
    t.match(await client.send({ path: `/v1/orders/${String(id)}`, token: named }), { body: { id, contact } });
    const { data } = await list(named);
    t.equal(data[0]?.id, id);
    t.notOk('contact' in (data[0] ?? {}), 'no list has a contact');
    const newcomer = await client.token('list-newcomer');
    for (let count = 0; count < 5; count += 1) await reserve(newcomer, 'list-wait');
    t.equal((await listPages(newcomer)).length, 5, 'pages without a single row');
    t.same(
      (await list(token)).data.map(({ id }) => id),
      all,
      'newest first',
    );
    t.same(await listPages(token), all, 'each once, page by page');
    t.same(
      (await list(token, '?limit=1')).data.map(({ id }) => id),
      waiting.slice(0, 1),
    );
    t.same(
      (await list(token, '?saleId=list-stored')).data.map(({ id }) => id),
      stored,
    );
    t.same(
      (await list(token, '?status=pending')).data.map(({ id }) => id),
      waiting,
    );
    t.same(
      (await list(token, '?status=cancelled')).data.map(({ id }) => id),
      stored,
    );
    t.same((await list(token, '?status=paid')).data, []);
    t.same((await list(await client.token('list-stranger'))).data, []);
  } finally {
    await stack.restart('stock');
  }
  await until('all rows', async () => {
    const rows = await Promise.all(
      waiting.map((id) => client.send({ method: 'POST', path: `/v1/orders/${id}/cancel`, token })),
    );
    return rows.every(({ status }) => status === 200);
  });
  t.same(await listPages(token), all, 'as rows, each once');
  t.same((await list(token, '?status=pending')).data, [], 'what has ended is not pending');
  t.same(
    (await list(token, '?status=cancelled')).data.map(({ id }) => id),
    all,
  );
});

await t.test('an operator lists a buyer’s orders over all sales, and nobody else does', async (t) => {
  const buyer = await client.token('list-both');
  const ids: string[] = [];
  for (const saleId of ['list-one', 'list-two']) {
    await createSale(client, saleId, { items: [oneItem(10)] });
    ids.unshift(String((await reserve(buyer, saleId, { contact: { name: 'Li' } }))['id']));
  }
  const operator = await client.token('operator', true);
  await until('both are stored', async () => (await list(operator, '?userId=list-both')).data.length === 2);
  const { data } = await list(operator, '?userId=list-both');
  t.same(
    data.map(({ id }) => id),
    ids,
  );
  t.match(data[0], { userId: 'list-both', saleId: 'list-two', contact: { name: 'Li' }, payments: [] });
  t.match((await list(operator, '?userId=list-both&saleId=list-one&limit=1')).data, [{ id: ids[1] }]);
  t.same((await list(operator)).data, [], 'the operator’s own');
  const asBuyer = await client.send({ path: '/v1/orders?userId=list-both', token: buyer });
  t.match(asBuyer, { status: 403, body: { code: 'forbidden' } }, 'not even one’s own in this way');
});

await t.test('a gateway that did not reserve lists an order from its 201 on', async (t) => {
  const { url } = await stack.startProcess({ service: 'gateway', name: 'gateway-other' });
  const listOther = async (token: string, query = ''): Promise<string[]> => {
    const response = await fetch(`${url}/v1/orders${query}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const { data } = (await response.json()) as { data: Listed[] };
    return data.map(({ id }) => id);
  };
  await createSale(client, 'list-other', { items: [oneItem(1_000)] });
  const missing: number[] = [];
  for (let round = 1; round <= 30; round += 1) {
    // A newcomer to the sale, and one who has orders in it.
    const token = await client.token(round % 2 === 0 ? 'list-other-buyer' : `list-other-${round}`);
    const id = String((await reserve(token, 'list-other'))['id']);
    if ((await listOther(token, round % 3 === 0 ? '?saleId=list-other' : ''))[0] !== id) missing.push(round);
  }
  t.same(missing, [], 'rounds in which the other gateway missed it');
  const token = await client.token('list-other-waits');
  const waiting: string[] = [];
  await stack.restart('stock', { ROLES: 'http,settler' });
  try {
    await until('the sale sells', async () => {
      const { body } = await client.send({ path: '/v1/sales/list-other' });
      return body['state'] === 'open';
    });
    for (let count = 0; count < 3; count += 1) {
      waiting.unshift(String((await reserve(token, 'list-other'))['id']));
      t.same(await listOther(token), waiting, 'while nothing reaches Kafka');
    }
    t.same(await listOther(token, '?status=pending&limit=2'), waiting.slice(0, 2));
    t.same(await listOther(token, '?status=paid'), []);
    t.same(await listOther(await client.token('list-other-stranger')), []);
  } finally {
    await stack.restart('stock');
  }
  await until('they are stored', async () => (await listOther(token)).length === 3);
  t.same(await listOther(token), waiting, 'each once');
});

await t.test('a list waits for a row that is on its way, and no longer than a second', async (t) => {
  const token = await client.token('list-late-buyer');
  await createSale(client, 'list-late', { items: [oneItem(1_000)] });
  const { url, child } = await stack.startProcess({ service: 'gateway', name: 'gateway-late' });
  const ask = async (): Promise<{ ids: string[]; tookMs: number }> => {
    const began = performance.now();
    const response = await fetch(`${url}/v1/orders`, { headers: { authorization: `Bearer ${token}` } });
    const { data = [] } = (await response.json()) as { data?: Listed[] };
    return { ids: data.map(({ id }) => id), tookMs: performance.now() - began };
  };
  await stack.restart('order', { ROLES: 'http,expiry,relay' });
  try {
    const id = String((await reserve(token, 'list-late'))['id']);
    await until('it has left the outbox', async () => {
      const { stock, gatewayToken } = stack.info;
      const headers = { authorization: `Bearer ${gatewayToken}` };
      const state = await fetch(`${stock}/internal/sales/list-late/state`, { headers });
      return ((await state.json()) as { outbox: number }).outbox === 0;
    });
    const first = await ask();
    t.same(first.ids, [], 'only Kafka has it');
    t.ok(first.tookMs >= 1_000, `it was waited for, ${first.tookMs.toFixed(0)} ms`);
    const second = await ask();
    t.ok(second.tookMs < 1_000, `and not again at once, ${second.tookMs.toFixed(0)} ms`);
    await stack.restart('order');
    await until('it is stored', async () => (await ask()).ids[0] === id);
  } finally {
    await stack.restart('order');
    await child.stop();
  }
});
