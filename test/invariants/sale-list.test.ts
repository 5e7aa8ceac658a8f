// Goal: the list of sales shows every sale as the sale itself is shown, also those that no announcement
// named, tells strangers nothing that is for operators, and outlives a restart of the gateway. Method: the
// whole system over HTTP.
import t from 'tap';
import { actingAs, buildStack, createSale, oneItem, until } from '../support/stack.ts';

const client = await buildStack(t, 'sale-list');
const operator = await client.token('operator', true);

interface Listed {
  id: string;
  state: string;
  serverTime: string;
  channels?: { id: string; cap?: number; partnerId?: string }[];
  items: { available: number; soldOut: string }[];
}

async function list(query = '', token?: string) {
  const headers = { 'accept-language': 'en' };
  const answer = await client.send({
    path: `/v1/sales${query}`,
    headers,
    ...(token === undefined ? {} : { token }),
  });
  const { data = [], nextCursor } = answer.body as { data?: Listed[]; nextCursor?: string };
  return { ...answer, data, nextCursor, ids: data.map(({ id }) => id) };
}

const act = actingAs(client, operator);
const steer = (id: string, verb: string) => act(`/v1/sales/${id}/${verb}`);

const channels = [
  { id: 'listed-li', kind: 'community', title: 'Li', partnerId: 'p-7', cap: 3 },
  { id: 'listed-xhs', kind: 'content', title: 'Xhs' },
];
const soon = { opensAt: new Date(Date.now() + 3_600_000).toISOString() };
const end = { closesAt: new Date(Date.now() + 7_200_000).toISOString() };
await createSale(client, 'listed-open', { items: [oneItem(5)], channels });
await createSale(client, 'listed-soon', { ...soon, ...end, channels });
await createSale(client, 'listed-shut', { channels: channels.slice(0, 1) });
await steer('listed-shut', 'close');

await t.test('a sale is listed as it is read by itself, in the promised order', async (t) => {
  const { status, data, ids } = await list('?channelId=listed-li');
  t.equal(status, 200);
  t.same(ids, ['listed-open', 'listed-soon', 'listed-shut']);
  for (const { serverTime, ...listed } of data) {
    const { body } = await client.send({ path: `/v1/sales/${listed.id}?channel=listed-li` });
    const { serverTime: readAt, ...read } = body as unknown as Listed;
    t.same(listed, read);
    t.ok(Math.abs(Date.parse(readAt) - Date.parse(serverTime)) < 2_000);
  }
  t.same((await list('?channelId=listed-li&state=scheduled')).ids, ['listed-soon']);
  t.same((await list('?channelId=listed-li&state=open')).ids, ['listed-open']);
  t.same((await list('?channelId=listed-xhs&state=closed')).ids, []);
  const { data: all } = await list('?limit=100');
  t.ok(all.length >= 3);
  t.ok(all.every((sale) => sale.channels === undefined));
});

await t.test('operators see every field, and nobody else does', async (t) => {
  const shown = (await list('?limit=100', operator)).data.find(({ id }) => id === 'listed-open');
  t.same(
    shown?.channels?.map(({ cap, partnerId }) => [cap, partnerId]),
    [
      [3, 'p-7'],
      [undefined, undefined],
    ],
  );
  const buyer = await client.token('buyer');
  for (const token of [buyer, undefined]) {
    for (const query of ['', '?channelId=listed-li']) {
      const { text } = await list(query, token);
      t.notMatch(text, /partnerId|"cap"|p-7/);
    }
  }
  t.match(await list('', 'x.y.z'), { status: 401, body: { code: 'unauthenticated' } });
});

await t.test('pages follow each other, and an unchanged page is 304', async (t) => {
  const first = await list('?channelId=listed-li&limit=2');
  t.same(first.ids, ['listed-open', 'listed-soon']);
  const second = await list(`?channelId=listed-li&limit=2&cursor=${String(first.nextCursor)}`);
  t.same(second.ids, ['listed-shut']);
  t.notOk(second.nextCursor);
  const path = '/v1/sales?channelId=listed-li&limit=2';
  const etag = String(first.headers['etag']);
  // The test waits longer than a page is kept. The page is made anew, with another clock and cursor, under
  // the same tag.
  await new Promise((resolve) => setTimeout(resolve, 700));
  const again = await client.send({ path, headers: { 'if-none-match': etag } });
  t.match(again, { status: 304, text: '' });
  const body = { lines: [{ sku: 'a', quantity: 1 }] };
  const token = await client.token('lister');
  const reservations = '/v1/sales/listed-open/reservations';
  t.match(await client.send({ method: 'POST', path: reservations, token, key: 'k', body }), { status: 201 });
  await until('the list tells of the unit', async () => {
    const { status, body } = await client.send({ path, headers: { 'if-none-match': etag } });
    return status === 200 && (body as { data?: Listed[] }).data?.[0]?.items[0]?.available === 4;
  });
});

await t.test('a malformed parameter is refused', async (t) => {
  const wrong: [query: string, field: string][] = [
    ['?state=loading', 'state'],
    ['?limit=0', 'limit'],
    ['?limit=101', 'limit'],
    ['?limit=01', 'limit'],
    ['?channelId=No', 'channelId'],
    ['?cursor=abc', 'cursor'],
    ['?cursor=', 'cursor'],
    [`?cursor=${'a'.repeat(300)}`, 'cursor'],
    ['?channels=all', 'channels'],
    ['?page=2', 'page'],
    ['?limit=1&limit=2', 'limit'],
  ];
  for (const [query, field] of wrong) {
    t.match(await list(query), { status: 400, body: { code: 'invalid_request', field } }, query);
  }
  t.match(await client.send({ method: 'PUT', path: '/v1/sales' }), { status: 405 });
});

await t.test(
  'an operator who changed a sale finds it in the list at once, and a new gateway knows every sale',
  async (t) => {
    await list('?channelId=listed-xhs');
    t.match(await steer('listed-open', 'pause'), { status: 200 });
    t.equal(
      (await list('?channelId=listed-xhs')).data.find(({ id }) => id === 'listed-open')?.state,
      'paused',
    );
    t.match(await steer('listed-open', 'resume'), { status: 200 });
    const other = await client.stack.startProcess({
      service: 'gateway',
      name: 'gateway-new',
      env: { DRAIN_MS: '0' },
    });
    const answer = await fetch(`${other.url}/v1/sales?channelId=listed-li`);
    const { data } = (await answer.json()) as { data: Listed[] };
    t.same(
      data.map(({ id, state }) => `${id} ${state}`),
      ['listed-open open', 'listed-soon scheduled', 'listed-shut closed'],
    );
  },
);
