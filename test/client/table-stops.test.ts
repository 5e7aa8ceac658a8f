// Goal: what the table "What a client does" of docs/http-api.md says to stop at never succeeds by a repeat.
// Method: as of table.test.ts; each answer is heard twice, by a client that does not believe the table.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import type { ProblemCode } from '@seckill/contracts';
import t, { type Test } from 'tap';
import { sendNotice } from '../support/notices.ts';
import { buildStack, createSale, oneItem, saleInput, until, untilRows } from '../support/stack.ts';
import { putHugeLetter } from './problems/dead-letters.ts';
import { makeCalls } from './table/table-calls.ts';
import type { Call } from './table/table-client.ts';

const system = await buildStack(t, 'client-table-stops');
const admin = await system.token('operator', true);
const { client, reserving, change, act } = await makeCalls(system);

/** A client that does not stop where the table says so gains nothing. */
async function stops(t: Test, call: Call, code: ProblemCode): Promise<void> {
  const first = await client.follow(call);
  t.match(first, { end: 'stop', heard: [code] }, code);
  const again = await client.follow(call);
  t.match(again, { end: 'stop', heard: [code], status: first.status }, `${code} again`);
}

await t.test('what is said to stop never succeeds by a repeat', async (t) => {
  const items = [oneItem(1), { ...oneItem(9), sku: 'b' }];
  const channels = [{ id: 'none', kind: 'store', title: 'None', cap: 0 }];
  await createSale(system, 'table-stops', { items, channels, limitPerBuyer: 2 });
  await createSale(system, 'table-once', { holdsPerBuyerMax: 1 });
  const one = await reserving('table-stops', 'one', [['a', 1]]);
  const paid = await client.follow(one);
  await untilRows(system, 'table-stops', 1);
  t.match(await act('one', paid, 'pay'), { end: 'done' });
  t.match(await act('one', paid, 'cancel'), { end: 'show', body: { orderStatus: 'paid' } });
  await client.follow(await reserving('table-once', 'one', [['a', 1]]));
  await until('the unit is paid', async () => {
    const { body } = await system.send({ path: '/v1/sales/table-stops', token: admin });
    return (body['items'] as { paid: number }[])[0]?.paid === 1;
  });
  const other = await reserving('table-stops', 'other', [['a', 1]]);
  await stops(t, other, 'sold_out');
  await stops(t, await reserving('table-stops', 'one', [['b', 2]]), 'limit_reached');
  await stops(t, await reserving('table-stops', 'other', [['b', 1]], { channelId: 'none' }), 'channel_full');
  await stops(t, await reserving('table-once', 'one', [['b', 1]]), 'holds_exceeded');
  // The cool-down outlasts the sale, and two units of a paused item of one unit there never are.
  const closesAt = new Date(Date.now() + 3_600_000).toISOString();
  await createSale(system, 'table-rests', { items: [oneItem(1)], closesAt, rejoinSeconds: 7_200 });
  await act('one', await client.follow(await reserving('table-rests', 'one', [['a', 1]])), 'cancel');
  await until('the unit is back', async () => {
    const { body } = await system.send({ path: '/v1/sales/table-rests', token: admin });
    return (body['items'] as { held: number }[])[0]?.held === 0;
  });
  await stops(t, await reserving('table-rests', 'one', [['a', 1]]), 'rejoin_later');
  await client.follow(change('table-rests/items/a/pause'));
  await stops(t, await reserving('table-rests', 'two', [['a', 2]]), 'item_paused');
  await stops(t, await reserving('table-stops', 'other', [['z', 1]]), 'sku_not_found');
  await stops(
    t,
    await reserving('table-stops', 'other', [['b', 1]], { channelId: 'no' }),
    'channel_not_found',
  );
  await stops(t, await reserving('table-no', 'other', [['b', 1]]), 'sale_not_found');
  await stops(t, await reserving('table-stops', 'other', [['b', 0]]), 'invalid_request');
  await stops(t, { ...one, body: { lines: [{ sku: 'b', quantity: 1 }] } }, 'key_reused');
  await stops(t, { ...other, body: { lines: [], ref: 'x'.repeat(20_000) } }, 'body_too_large');
  await stops(t, { ...other, headers: { 'content-type': 'text/csv' } }, 'unsupported_media_type');
  const order = `/v1/orders/${String(paid.body['id'])}`;
  const asOther = { token: other.token };
  const asAdmin = { token: admin, key: randomUUID() };
  const lines = [{ sku: 'a', quantity: 2 }];
  const refused: [ProblemCode, Call][] = [
    ['forbidden', { ...change('table-stops/close'), ...asOther }],
    ['not_found', { ...change('none/such/route'), path: '/v1/none' }],
    ['method_not_allowed', { ...change(''), method: 'PATCH', path: '/v1/refunds' }],
    ['order_not_found', { method: 'POST', path: `${order}/cancel`, ...asOther }],
    ['bad_signature', { ...change(''), path: '/v1/payments/notifications' }],
    ['sale_exists', { ...change(''), path: '/v1/sales', body: saleInput('table-once', { title: 'Other' }) }],
    ['not_changeable', { ...change('table-stops', { opensAt: new Date().toISOString() }), method: 'PATCH' }],
    [
      'nothing_to_return',
      { method: 'POST', path: `${order}/returns`, ...asAdmin, body: { lines, restock: true } },
    ],
    [
      'pickup_not_found',
      { ...change(''), path: '/v1/pickups', body: { saleId: 'table-stops', code: '000000' } },
    ],
    ['refund_not_found', { ...change('', { reference: 'r' }), path: '/v1/refunds/999999/done' }],
    ['dead_letter_not_found', { ...change(''), path: '/v1/dead-letters/0-999999999/replay' }],
    [
      'dead_letter_not_replayable',
      { ...change(''), path: `/v1/dead-letters/${await putHugeLetter(system)}/replay` },
    ],
    ['notice_not_found', { ...change(''), path: '/v1/notices/999999/replay' }],
    [
      'webhook_endpoint_not_found',
      { method: 'GET', path: '/v1/webhook-endpoints/whe_000000000000000000000000', token: admin },
    ],
  ];
  for (const [code, call] of refused) await stops(t, call, code);
  await client.follow(change('table-stops/close'));
  await stops(t, other, 'sale_closed');
});

/** An operator's call, and its good answer. */
const asked = (path: string, body: Record<string, unknown> = {}): Call => ({ ...change('', body), path });

async function listIds(path: string): Promise<string[]> {
  const { body } = await system.send({ path, token: admin });
  return (body['data'] as { id: string }[]).map(({ id }) => id);
}

await t.test('goods and money: what was handed out, came back or was paid back stays so', async (t) => {
  const channels = [{ id: 'north', kind: 'store', title: 'North', pickupPointId: 'north-1' }];
  await createSale(system, 'table-after', { items: [oneItem(10)], channels });
  const codes = new Map<string, { id: string; code: unknown }>();
  for (const user of ['handed', 'returned']) {
    const call = await reserving('table-after', user, [['a', 1]], { channelId: 'north' });
    const paid = await act(user, await client.follow(call), 'pay');
    t.match(paid, { end: 'done', body: { pickupCode: /^\d{6}$/ } });
    codes.set(user, { id: String(paid.body['id']), code: paid.body['pickupCode'] });
  }
  const back = asked(`/v1/orders/${codes.get('returned')?.id ?? ''}/returns`, {
    lines: [{ sku: 'a', quantity: 1 }],
    restock: true,
  });
  t.match(await client.follow({ ...back, key: randomUUID() }), { end: 'done' });
  const pickup = (user: string) =>
    asked('/v1/pickups', {
      saleId: 'table-after',
      pickupPointId: 'north-1',
      code: codes.get(user)?.code,
    });
  t.match(await client.follow(pickup('handed')), { end: 'done' });
  await stops(t, pickup('handed'), 'already_picked_up');
  await stops(t, pickup('returned'), 'nothing_to_pick_up');
  const [refundId = ''] = await listIds('/v1/refunds?saleId=table-after');
  const done = (reference: string) => asked(`/v1/refunds/${refundId}/done`, { reference });
  t.match(await client.follow(done('bank-1')), { end: 'done' });
  await stops(t, done('bank-2'), 'refund_done');
});

await t.test('a kept notice is not understood by a repeat, and stays done', async (t) => {
  const before = new Set(await listIds('/v1/notices?limit=100'));
  const kept = await sendNotice(system, { type: 'payment.succeeded', data: {} });
  t.match(kept, { status: 200, body: { result: 'kept' } });
  const [noticeId = ''] = (await listIds('/v1/notices?limit=100')).filter((id) => !before.has(id));
  const replay = asked(`/v1/notices/${noticeId}/replay`);
  await stops(t, replay, 'notice_not_understood');
  const command = ['services/order/dist/commands/notices.js', 'done', noticeId, '--reference', 'by-hand'];
  await promisify(execFile)(process.execPath, command, {
    env: { ...process.env, DATABASE_URL: system.stack.info.postgres },
  });
  await stops(t, replay, 'notice_not_kept');
});

await t.test('a hundred webhook endpoints are enough, and a delivery that is none stays none', async (t) => {
  const register = (number: number) =>
    asked('/v1/webhook-endpoints', {
      url: `https://shop.example/table-${number}`,
      events: ['order.paid'],
    });
  const ids: string[] = [];
  let answer = await client.follow(register(0));
  for (let number = 1; answer.end === 'done'; number += 1) {
    ids.push(String(answer.body['id']));
    answer = await client.follow(register(number));
  }
  await stops(t, register(ids.length), 'webhook_endpoints_full');
  const nothing = `deliveries/whd_000000000000000000000000/replay`;
  await stops(t, asked(`/v1/webhook-endpoints/${ids[0] ?? ''}/${nothing}`), 'webhook_delivery_not_found');
  for (const id of ids) {
    await system.send({ method: 'DELETE', path: `/v1/webhook-endpoints/${id}`, token: admin });
  }
});
