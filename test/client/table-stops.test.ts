// Goal: what the table "What a client does" of docs/http-api.md says to stop at never succeeds by a repeat.
// Method: as of table.test.ts; each answer is heard twice, by a client that does not believe the table. Not
// tried, and of the kind "other 4xx" as well: `notice_not_kept`, `notice_not_understood`, `refund_done`,
// `webhook_endpoints_full`, `webhook_delivery_not_found`, `already_picked_up`, `nothing_to_pick_up`.
import { randomUUID } from 'node:crypto';
import type { ProblemCode } from '@seckill/contracts';
import t, { type Test } from 'tap';
import { buildStack, createSale, oneItem, saleInput, until, untilRows } from '../support/stack.ts';
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
