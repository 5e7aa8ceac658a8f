// Goal: a buyer's list of orders shows a reservation from its 201 on, page by page, also while rows do not
// come, and without its contact.
// Method: the whole system over HTTP; stock runs for a while without its relay, so nothing reaches Kafka.
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
