// Goal: a paid order is handed out once, where its code is shown, and may move to another pick-up point
// without a change of what was sold. Method: orders stored by the real intake and paid by real notices;
// operators call as the gateway does, one after the other and at once.
import type { Order, Pickup, PickupPage, SaleInput } from '@seckill/contracts';
import { transaction, type Pool } from '@seckill/runtime';
import { test, type Test } from 'tap';
import { claimPickupCodes } from '../../src/ledger/pickup-codes.ts';
import { LedgerReader } from '../../src/audit/ledger-reading.ts';
import { buildEnds } from '../support/build.ts';
import { createDatabase, untilBlocked } from '../support/database.ts';
import { findLedgerMismatches, makeNotice, storeOrders, storeSale } from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

const CHANNELS = [
  { id: 'xingfu-li', kind: 'community' as const, title: '幸福里', pickupPointId: 'store-3', cap: 5 },
  { id: 'yangguang', kind: 'community' as const, title: '阳光城', pickupPointId: 'store-5', cap: 1 },
  { id: 'corner', kind: 'store' as const, title: '便利店', pickupPointId: 'store-3' },
  { id: 'xhs', kind: 'content' as const, title: '小红书' },
];
const ORANGES = (quantity: number) => ({ sku: 'orange', quantity, price: 100 });
const MANGOES = (quantity: number) => ({ sku: 'mango', quantity, price: 100 });

async function build(
  t: Test,
  channelIds: (string | undefined)[],
  lines = [ORANGES(1)],
  changes: Partial<SaleInput> = {},
) {
  const { pool } = await createDatabase(t);
  const service = await createService(t, pool, (await createStock(t)).url);
  const { call } = service;
  const saleId = await storeSale(pool, { orange: 50, mango: 50 }, { channels: CHANNELS, ...changes });
  const { orders, payments } = buildEnds(pool);
  const stored = await storeOrders(
    pool,
    saleId,
    channelIds.map((channelId) => ({
      lines,
      ...(channelId === undefined ? {} : { channelId }),
      expiresAt: Date.now() + 3_600_000,
    })),
  );
  const ids = stored.map(({ reservationId }) => reservationId);
  const amount = {
    amount: lines.reduce((sum, { quantity, price }) => sum + quantity * price, 0),
    currency: 'CNY',
  };
  const pay = async (orderId: string) => payments.accept(makeNotice(orderId, { amount }));
  const list = async (query = '') => {
    const answer = await call('GET', `/v1/sales/${saleId}/pickups${query}`);
    t.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body as unknown as PickupPage;
  };
  const handOut = (pickupPointId: string | undefined, code: string | undefined, sale = saleId) =>
    call('POST', '/v1/pickups', {
      userId: 'op',
      body: { saleId: sale, code, ...(pickupPointId === undefined ? {} : { pickupPointId }) },
    });
  const move = (orderId: string | undefined, channelId: string, reason = 'closed today') =>
    call('POST', `/v1/sales/${saleId}/orders/${orderId}/move`, { userId: 'op', body: { channelId, reason } });
  const read = async (orderId: string | undefined) =>
    (await call('GET', `/v1/sales/${saleId}/orders/${orderId}`)).body as unknown as Order;
  const giveBack = async (
    orderId: string | undefined,
    key: string,
    back: { sku: string; quantity: number }[],
  ) =>
    call('POST', `/v1/sales/${saleId}/orders/${orderId}/returns`, {
      userId: 'op',
      headers: { 'idempotency-key': key },
      body: { lines: back, restock: true },
    });
  return { ...service, pool, saleId, ids, stored, orders, pay, list, handOut, move, read, giveBack };
}

await test('a channel lists what it hands out, page by page, and what is to be brought there', async (t) => {
  const places = ['xingfu-li', 'xingfu-li', 'xingfu-li', 'xhs', undefined];
  const { ids, pay, list, giveBack, handOut, read, call, saleId } = await build(t, places, [
    ORANGES(2),
    MANGOES(1),
  ]);
  for (const id of ids.slice(0, 4)) await pay(id);
  const [, second, third] = ids;
  t.match(await list('?channelId=xingfu-li&limit=2'), {
    data: [{ orderId: third }, { orderId: second }],
    load: [
      { sku: 'mango', units: 3 },
      { sku: 'orange', units: 6 },
    ],
  });
  const page = await list('?channelId=xingfu-li&limit=2');
  const rest = await list(`?channelId=xingfu-li&limit=2&cursor=${page.nextCursor}`);
  t.match(rest.data, [
    { orderId: ids[0], channelId: 'xingfu-li', lines: [{ sku: 'orange', quantity: 2 }, {}] },
  ]);
  t.match(rest, { nextCursor: undefined, load: undefined });
  t.equal((await list()).data.length, 4, 'without a channel all that is paid');

  await giveBack(third, 'k1', [{ sku: 'orange', quantity: 1 }]);
  await giveBack(second, 'k1', [
    { sku: 'orange', quantity: 2 },
    { sku: 'mango', quantity: 1 },
  ]);
  await handOut('store-3', (await read(ids[0])).pickupCode);
  const after = await list('?channelId=xingfu-li');
  t.match(after, {
    data: [
      {
        orderId: third,
        lines: [
          { sku: 'orange', quantity: 1 },
          { sku: 'mango', quantity: 1 },
        ],
        pickedUpAt: undefined,
      },
      { orderId: ids[0], pickedUpAt: /Z$/ },
    ],
    load: [
      { sku: 'mango', units: 1 },
      { sku: 'orange', units: 1 },
    ],
  });
  const refused = async (query: string) =>
    (await call('GET', `/v1/sales/${saleId}/pickups${query}`)).body['code'];
  t.equal(await refused('?channelId=nowhere'), 'channel_not_found');
  t.equal(await refused('?cursor=x'), 'invalid_request');
  t.match(await call('GET', '/v1/sales/nowhere/pickups'), { status: 404, body: { code: 'sale_not_found' } });
});

await test('a code hands its order out once, however many ask at once', async (t) => {
  const { ids, pay, handOut, read, giveBack, pool } = await build(t, ['xingfu-li', 'xhs', undefined]);
  const [group, content, direct] = ids;
  for (const id of ids) await pay(id);
  const code = (await read(group)).pickupCode;
  const answers = await Promise.all(Array.from({ length: 6 }, () => handOut('store-3', code)));
  const done = answers.filter(({ status }) => status === 200);
  t.equal(done.length, 1);
  const { pickedUpAt } = done[0]?.body as unknown as Pickup;
  t.match(done[0]?.body, { orderId: group, code, lines: [{ sku: 'orange', quantity: 1 }] });
  for (const { status, body } of answers.filter((answer) => answer.status !== 200)) {
    t.match({ status, body }, { status: 409, body: { code: 'already_picked_up', at: pickedUpAt } });
  }
  t.equal((await read(group)).pickedUpAt, pickedUpAt);
  const { rows } = await pool.query('SELECT picked_up_by FROM orders WHERE id = $1', [group]);
  t.same(rows, [{ picked_up_by: 'op' }]);

  const refused = async (...request: Parameters<typeof handOut>) => (await handOut(...request)).body['code'];
  t.equal(await refused('store-5', code), 'pickup_not_found', 'at another pick-up point');
  t.equal(await refused(undefined, code), 'pickup_not_found', 'at none');
  t.equal(await refused('store-3', code, 'another-sale'), 'pickup_not_found', 'in another sale');
  t.equal(await refused('store-3', '0'.repeat(15)), 'pickup_not_found');
  t.equal(await refused('store-3', "1' OR 1"), 'invalid_request');
  const contentCode = (await read(content)).pickupCode;
  await giveBack(content, 'k', [{ sku: 'orange', quantity: 1 }]);
  t.equal(await refused(undefined, contentCode), 'nothing_to_pick_up', 'all of it came back');
  t.equal(
    (await handOut(undefined, (await read(direct)).pickupCode)).status,
    200,
    'a channel without a point',
  );
  t.equal(
    (await giveBack(group, 'k', [{ sku: 'orange', quantity: 1 }])).status,
    200,
    'what was handed out comes back',
  );
});

await test('an order moves, and caps, counts and commission stay with its channel', async (t) => {
  const { pool, saleId, ids, stored, orders, pay, list, handOut, move, read, call } = await build(t, [
    'xingfu-li',
    'yangguang',
    'xingfu-li',
    undefined,
    'xingfu-li',
  ]);
  const [first, second, pending, direct, given] = ids;
  for (const id of [first, second, direct]) await pay(id ?? '');
  const code = (await read(first)).pickupCode;
  // The cap of the other channel is one unit, and it has sold it.
  t.match(await move(first, 'yangguang'), {
    status: 200,
    body: { id: first, channelId: 'xingfu-li', pickupChannelId: 'yangguang', pickupCode: code },
  });
  t.match(await move(first, 'yangguang'), { status: 200 }, 'a repeat');
  t.same(
    (await list('?channelId=yangguang')).data.map(({ orderId }) => orderId),
    [second, first],
    'listed where it is handed out, and in the order of all',
  );
  t.same((await list('?channelId=xingfu-li')).data, []);
  t.match(await handOut('store-3', code), { status: 404 });
  t.match(await handOut('store-5', code), { status: 200, body: { orderId: first, channelId: 'yangguang' } });
  t.match(await move(first, 'xingfu-li'), { status: 409, body: { code: 'already_picked_up' } });

  t.match(await move(pending, 'yangguang'), { status: 200, body: { status: 'pending' } });
  await pay(pending ?? '');
  const pendingCode = (await read(pending)).pickupCode;
  t.match(await handOut('store-5', pendingCode), { status: 200 }, 'the code is given where the order went');
  t.match(await move(direct, 'corner'), { status: 200, body: { pickupChannelId: 'corner' } });
  t.notOk((await move(direct, 'xhs')).body['pickupChannelId'] === 'corner');
  await orders.cancel(given ?? '', stored[4]?.userId ?? '');
  t.match(await move(given, 'corner'), {
    status: 409,
    body: { code: 'order_not_pending', orderStatus: 'cancelled' },
  });
  t.match(await move(second, 'nowhere'), { status: 404, body: { code: 'channel_not_found' } });
  t.match(await move(`${saleId}.0.AAAAAAAAAAAAAAAA`, 'corner'), {
    status: 404,
    body: { code: 'order_not_found' },
  });

  const { body: report } = await call('GET', `/v1/sales/${saleId}/report`);
  t.match(report['channels'], [
    { id: 'xingfu-li', units: { paid: 2, cancelled: 1 } },
    { id: 'yangguang', units: { paid: 1 } },
  ]);
  t.match(await new LedgerReader(pool, { graceMs: 500 }).read(saleId), { overCap: 0, overLimit: 0 });
  t.same(await findLedgerMismatches(pool), []);
  const { body: trail } = await call('GET', `/v1/sales/${saleId}/changes`);
  const moves = (trail['data'] as { action: string }[]).filter(({ action }) => action === 'move_order');
  t.equal(moves.length, 4, 'a repeat is no change');
  t.match(moves.at(-1), {
    by: 'op',
    reason: 'closed today',
    before: { orderId: first, pickupChannelId: 'xingfu-li', pickupCode: code },
    after: { orderId: first, pickupChannelId: 'yangguang', pickupCode: code },
  });
});

/** Gives an order a code that the test chooses. */
async function recode(pool: Pool, orderId: string | undefined, code: string): Promise<void> {
  await transaction(pool, async (client) => {
    await client.query('DELETE FROM pickup_codes WHERE order_id = $1', [orderId]);
    await claimPickupCodes(client, [orderId ?? ''], () => code);
    await client.query('UPDATE orders SET pickup_code = $2 WHERE id = $1', [orderId, code]);
  });
}

await test('a move that comes late moves nothing, also when the lock of the order took its time', async (t) => {
  const { pool, saleId, ids, pay, read, call } = await build(t, ['xingfu-li']);
  const [id] = ids;
  await pay(id ?? '');
  const late = { status: 503, body: { code: 'overloaded' } };
  const now = async () => ((await call('GET', '/v1/clock')).body as unknown as { now: number }).now;
  const move = (channelId: string, deadline: number) =>
    call('POST', `/v1/sales/${saleId}/orders/${id}/move`, {
      userId: 'op',
      body: { channelId },
      headers: { 'x-deadline': String(deadline) },
    });
  t.match(await move('yangguang', (await now()) - 1), late);
  const client = await pool.connect();
  await client.query('BEGIN');
  await client.query('SELECT FROM orders WHERE id = $1 FOR UPDATE', [id]);
  const answer = move('yangguang', (await now()) + 300);
  await new Promise((resolve) => setTimeout(resolve, 700));
  await client.query('COMMIT');
  client.release();
  t.match(await answer, late);
  t.equal((await read(id)).pickupChannelId, undefined, 'it is where it was');
  const { body } = await call('GET', `/v1/sales/${saleId}/changes`);
  t.notMatch(JSON.stringify(body), 'move_order', 'and nothing is told of a move');
  t.match(await move('yangguang', (await now()) + 5_000), { body: { pickupChannelId: 'yangguang' } });
  t.match(await move('yangguang', (await now()) - 1), { status: 200 }, 'what is so already is told');
});

await test('a code is one of its pick-up point, also after a move and when orders change places at once', async (t) => {
  const { pool, ids, pay, move, read, handOut } = await build(t, ['xingfu-li', 'yangguang', 'xingfu-li']);
  const [first, second, third] = ids;
  for (const id of ids) await pay(id);
  await recode(pool, first, '111111');
  await recode(pool, second, '111111');
  const moved = await move(first, 'yangguang');
  t.not(moved.body['pickupCode'], '111111', 'the other order had it there');
  t.match(await handOut('store-5', '111111'), { status: 200, body: { orderId: second } });
  await t.rejects(recode(pool, third, '111111'), /no pick-up code is free/, 'people may show it there still');
  t.match(await handOut('store-3', '111111'), { status: 404, body: { code: 'pickup_not_found' } });
  t.match(await move(first, 'xingfu-li'), { status: 200, body: { pickupCode: '111111' } }, 'it comes back');
  t.match(await move(first, 'yangguang'), { status: 200 });
  await recode(pool, third, '222222');
  t.match(
    await move(third, 'corner'),
    { status: 200, body: { pickupCode: '222222' } },
    'the same pick-up point',
  );
  // A hand-over and a move at once: one of them comes first, and the other hears of it.
  const [handed, gone] = await Promise.all([handOut('store-3', '222222'), move(third, 'yangguang')]);
  const { pickedUpAt, pickupChannelId } = await read(third);
  if (handed.status === 200) t.match([gone.status, pickupChannelId], [409, 'corner']);
  else t.match([handed.status, gone.status, pickupChannelId, pickedUpAt], [404, 200, 'yangguang', undefined]);
  const { rows } = await pool.query(
    `SELECT orders.id FROM orders LEFT JOIN pickup_codes ON order_id = orders.id AND code = pickup_code
     WHERE status = 'paid' AND order_id IS NULL`,
  );
  t.same(rows, [], 'every paid order has the code that it shows');
});

await test('goods of a group purchase stay, in no list and no load, until it is reached', async (t) => {
  const own = { id: 'own', kind: 'store' as const, title: 'Own', pickupPointId: 'store-9', groupMinimum: 2 };
  const sale = { groupMinimum: 3, channels: [...CHANNELS, own] };
  const { pool, ids, pay, list, handOut, read } = await build(
    t,
    ['xingfu-li', 'own', undefined],
    [ORANGES(1)],
    sale,
  );
  const [ofSale, ofChannel, direct] = ids;
  for (const id of ids) await pay(id);
  const codes = new Map<string | undefined, string | undefined>();
  for (const id of ids) codes.set(id, (await read(id)).pickupCode);
  const decide = (channelId: string, state: 'reached' | 'failed') =>
    pool.query(`UPDATE sale_groups SET state = $2, units = 1, decided_at = now() WHERE channel_id = $1`, [
      channelId,
      state,
    ]);
  const kept = async (pickupPointId: string | undefined, id: string | undefined, group: string) =>
    t.match(await handOut(pickupPointId, codes.get(id)), {
      status: 409,
      body: { code: 'nothing_to_pick_up', group, retryable: group === 'waiting' },
    });
  for (const query of ['', '?channelId=xingfu-li', '?channelId=own']) {
    t.strictSame(await list(query), { data: [], load: [] }, `waiting: ${query}`);
  }
  await kept('store-3', ofSale, 'waiting');
  await kept('store-9', ofChannel, 'waiting');
  await kept(undefined, direct, 'waiting');
  t.notOk('pickedUpAt' in (await read(ofSale)));

  await decide('', 'reached');
  t.match(await list(), {
    data: [{ orderId: direct }, { orderId: ofSale }],
    load: [{ sku: 'orange', units: 2 }],
  });
  t.match(await list('?channelId=xingfu-li'), { data: [{ orderId: ofSale }] });
  await kept('store-9', ofChannel, 'waiting');
  t.match(await handOut('store-3', codes.get(ofSale)), { status: 200, body: { orderId: ofSale } });
  await decide('own', 'failed');
  t.strictSame(await list('?channelId=own'), { data: [], load: [] }, 'failed');
  t.equal((await list()).data.length, 2);
  await kept('store-9', ofChannel, 'failed');
});

await test('a hand-out that waits for the row of its order while the group fails hands nothing out', async (t) => {
  const { pool, ids, pay, handOut, read } = await build(t, ['xingfu-li'], [ORANGES(1)], { groupMinimum: 9 });
  const [id = ''] = ids;
  await pay(id);
  const { pickupCode } = await read(id);
  const ending = await pool.connect();
  await ending.query('BEGIN');
  await ending.query('SELECT FROM orders WHERE id = $1 FOR UPDATE', [id]);
  const asked = handOut('store-3', pickupCode);
  await untilBlocked(pool);
  await pool.query(`UPDATE sale_groups SET state = 'failed', units = 1, decided_at = now()`);
  await ending.query('COMMIT');
  ending.release();
  t.match(await asked, { status: 409, body: { code: 'nothing_to_pick_up' } });
  t.notOk('pickedUpAt' in (await read(id)));
});
