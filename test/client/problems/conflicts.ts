/** What the state of a sale or an order forbids: each state is made, and then asked for. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { createSale, oneItem, until, untilRows, type Client as System } from '../../support/stack.ts';
import { PLACE, type Call, type Good, type Operation } from './calls.ts';
import type { Recorder } from './recorder.ts';

export interface Conflicts {
  system: System;
  recorder: Recorder;
  /** A good call, with these things changed. */
  ask: (id: string, changed?: Call) => Promise<string>;
  reserve: (saleId: string, userId: string, body?: object, key?: string) => Promise<string>;
  tokens: { operator: string; of: (userId: string) => Promise<string> };
}

const ITEMS = ['pear-2kg', 'pear-5kg', 'pear-box', 'pear-rare'].map((sku) => ({
  ...oneItem(10),
  sku,
  ...(sku === 'pear-box' ? { minQuantity: 6, step: 6 } : {}),
  ...(sku === 'pear-rare' ? { total: 1 } : {}),
}));
const CHANNELS = [
  { id: 'north', kind: 'store', title: 'North', pickupPointId: 'north-1' },
  { id: 'small', kind: 'store', title: 'Small', cap: 1 },
];
export const linesOf = (sku: string, quantity = 1) => ({ lines: [{ sku, quantity }] });

export async function makeConflicts(
  system: System,
  recorder: Recorder,
  good: Good,
  operations: Operation[],
): Promise<Conflicts> {
  const byId = new Map(operations.map((one) => [one.id, one]));
  const operator = await system.token('operator', true);
  return {
    system,
    recorder,
    tokens: { operator, of: (userId) => system.token(userId) },
    ask(id, changed = {}) {
      const operation = byId.get(id);
      if (operation === undefined) throw new Error(`there is no operation ${id}`);
      const call = good.callOf(operation);
      return recorder.provoke(id, { ...call, ...changed, headers: { ...call.headers, ...changed.headers } });
    },
    async reserve(saleId, userId, body = linesOf(PLACE.sku), key = randomUUID()) {
      const path = `/v1/sales/${saleId}/reservations`;
      const token = await system.token(userId);
      const { status, body: answer, text } = await system.send({ method: 'POST', path, token, key, body });
      if (status !== 201) throw new Error(`${saleId}: ${text}`);
      return String(answer['id']);
    },
  };
}

/** The sales that good calls and conflicts lead to. */
export async function makeSales(system: System): Promise<void> {
  const changes = { title: 'Pears', items: ITEMS, channels: CHANNELS, limitPerBuyer: 20 };
  await createSale(system, PLACE.saleId, changes);
  await createSale(system, 'pears-limits', {
    ...changes,
    // Boxes of six are more than the limit.
    items: ITEMS.filter(({ sku }) => sku !== 'pear-box'),
    limitPerBuyer: 3,
    holdsPerBuyerMax: 2,
    rejoinSeconds: 60,
  });
  await createSale(system, 'pears-paused', changes);
  await createSale(system, 'pears-closed', changes);
  await createSale(system, 'pears-retired', changes);
  await createSale(system, 'pears-later', {
    ...changes,
    // Well before the end that every test sale has: ten minutes from the moment it is made.
    opensAt: new Date(Date.now() + 300_000).toISOString(),
  });
  const token = await system.token('operator', true);
  for (const path of [
    'pears-paused/pause',
    'pears-closed/close',
    'pears-retired/close',
    'pears-examples/items/pear-5kg/pause',
  ]) {
    const { status, text } = await system.send({ method: 'POST', path: `/v1/sales/${path}`, token });
    if (status !== 200) throw new Error(`${path}: ${text}`);
  }
}

export async function provokeOfSales({ system, ask, tokens }: Conflicts): Promise<void> {
  await ask('createSale', {
    body: {
      id: PLACE.saleId,
      title: 'Other pears',
      closesAt: '2030-01-01T00:00:00Z',
      items: [oneItem(1)],
    },
  });
  await ask('changeSale', { body: { opensAt: '2029-01-01T00:00:00Z' } });
  const closed = { at: { ...PLACE, saleId: 'pears-closed' } };
  for (const id of ['changeSale', 'pauseSale', 'resumeSale', 'pauseItem', 'resumeItem'])
    await ask(id, closed);
  for (const id of ['restockItem', 'adjustItem']) await ask(id, closed);
  const key = { 'idempotency-key': 'one-key' };
  for (const [verb, id, quantity] of [
    ['restock', 'restockItem', 1],
    ['adjust', 'adjustItem', -1],
  ] as const) {
    const path = `/v1/sales/${PLACE.saleId}/items/${PLACE.sku}/${verb}`;
    const body = { quantity };
    const first = { method: 'POST', path, token: tokens.operator, key: `one-key`, body } as const;
    const { status, text } = await system.send(first);
    if (status !== 200) throw new Error(`${verb}: ${text}`);
    await ask(id, { headers: key, body: { quantity: 2 * quantity } });
  }
  // A day passes.
  const postgres = new pg.Client({ connectionString: system.stack.info.postgres });
  await postgres.connect();
  await postgres.query(`UPDATE sales SET retired_at = now() WHERE id = 'pears-retired'`);
  await postgres.end();
  await ask('auditSale', { at: { ...PLACE, saleId: 'pears-retired' } });
}

export async function provokeOfReservations({ system, ask, reserve, tokens }: Conflicts): Promise<void> {
  const at = (saleId: string) => ({ ...PLACE, saleId });
  await ask('reserve', { body: linesOf('no-such-item') });
  await ask('reserve', { body: { ...linesOf(PLACE.sku), channelId: 'no-such-channel' } });
  await ask('reserve', { body: linesOf('pear-box', 7) });
  await ask('reserve', { body: linesOf('pear-5kg') });
  await ask('reserve', { at: at('no-such-sale') });
  for (const saleId of ['pears-paused', 'pears-closed', 'pears-later'])
    await ask('reserve', { at: at(saleId) });
  await reserve(PLACE.saleId, 'first', linesOf('pear-rare'));
  await ask('reserve', { body: linesOf('pear-rare') });
  await ask('reserve', { body: { ...linesOf(PLACE.sku, 2), channelId: 'small' } });
  await reserve(PLACE.saleId, 'u1', linesOf(PLACE.sku), 'one-key');
  await ask('reserve', { body: linesOf(PLACE.sku, 2), headers: { 'idempotency-key': 'one-key' } });

  const limits = { at: at('pears-limits') };
  await ask('reserve', { ...limits, body: linesOf(PLACE.sku, 4) });
  const token = await tokens.of('comes-back');
  const id = await reserve('pears-limits', 'comes-back');
  await ask('cancelOrder', { at: { ...PLACE, orderId: id }, token });
  // The cool-down begins when Redis has the unit back.
  await until('the unit is back', async () => {
    const path = '/v1/sales/pears-limits';
    const { body } = await system.send({ path, token: tokens.operator });
    return (body['items'] as { held: number }[]).every(({ held }) => held === 0);
  });
  await ask('reserve', { ...limits, token });
  const often = await tokens.of('often');
  for (const _ of [1, 2]) await reserve('pears-limits', 'often');
  await ask('reserve', { ...limits, token: often });
}

export async function provokeOfOrders({ system, ask, reserve, tokens }: Conflicts): Promise<void> {
  const operate = async (path: string, token: string, body?: object, key?: string) => {
    const request = { method: 'POST', path, token, ...(key && { key }), ...(body && { body }) } as const;
    const { status, text, body: answer } = await system.send(request);
    if (status !== 200) throw new Error(`${path}: ${text}`);
    return answer;
  };
  const buyer = await tokens.of('u1');
  const [paid, cancelled, returned] = [
    await reserve(PLACE.saleId, 'u1', { ...linesOf(PLACE.sku), channelId: 'north' }),
    await reserve(PLACE.saleId, 'u1'),
    await reserve(PLACE.saleId, 'u1', { ...linesOf(PLACE.sku), channelId: 'north' }),
  ];
  await untilRows(system, PLACE.saleId, 5);
  const { pickupCode } = await operate(`/v1/orders/${paid}/pay`, buyer);
  await operate(`/v1/orders/${cancelled}/cancel`, buyer);
  const { pickupCode: emptyCode } = await operate(`/v1/orders/${returned}/pay`, buyer);
  const all = { ...linesOf(PLACE.sku), restock: true };
  await operate(`/v1/orders/${returned}/returns`, tokens.operator, all, 'one-key');
  const of = (orderId: string) => ({ at: { ...PLACE, orderId } });

  await ask('cancelOrder', of(paid));
  await ask('payOrder', of(cancelled));
  await ask('returnLines', of(returned));
  await ask('returnLines', {
    ...of(returned),
    headers: { 'idempotency-key': 'one-key' },
    body: { ...linesOf(PLACE.sku, 2), restock: true },
  });
  await ask('moveOrder', of(cancelled));
  await ask('moveOrder', { ...of(paid), body: { channelId: 'no-such-channel' } });
  const pickup = (code: unknown) => ({ saleId: PLACE.saleId, pickupPointId: 'north-1', code });
  await operate('/v1/pickups', tokens.operator, pickup(pickupCode));
  await ask('handOut', { body: pickup(pickupCode) });
  await ask('handOut', { body: pickup(emptyCode) });
  await ask('moveOrder', of(paid));

  const list = await system.send({ path: `/v1/refunds?saleId=${PLACE.saleId}`, token: tokens.operator });
  const refundId = (list.body['data'] as { id: string }[])[0]?.id ?? '';
  await operate(`/v1/refunds/${refundId}/done`, tokens.operator, { reference: 'bank-0' });
  await ask('finishRefund', { at: { ...PLACE, refundId } });
}

export async function provokeOfNotices({ system, ask, tokens }: Conflicts, good: Good): Promise<void> {
  const body = '{"type":"payment.succeeded","data":{}}';
  const { text } = await system.send({
    method: 'POST',
    path: '/v1/payments/notifications',
    raw: body,
    headers: good.sign(body),
  });
  if (!text.includes('kept')) throw new Error(text);
  const list = await system.send({ path: '/v1/notices?limit=100', token: tokens.operator });
  const noticeId = (list.body['data'] as { id: string }[]).at(-1)?.id ?? '';
  await ask('replayNotice', { at: { ...PLACE, noticeId } });
  const command = join(import.meta.dirname, '../../../services/order/dist/commands/notices.js');
  await promisify(execFile)(process.execPath, [command, 'done', noticeId, '--reference', 'by-hand'], {
    env: { ...process.env, DATABASE_URL: system.stack.info.postgres },
  });
  await ask('replayNotice', { at: { ...PLACE, noticeId } });
}

export async function provokeOfWebhooks({ system, ask, tokens }: Conflicts): Promise<void> {
  const path = '/v1/webhook-endpoints';
  const register = (number: number) =>
    system.send({
      method: 'POST',
      path,
      token: tokens.operator,
      body: { url: `https://shop.example/hook-${number}`, events: ['order.paid'] },
    });
  const ids: string[] = [];
  let answer = await register(0);
  for (let count = 1; answer.status === 201; count += 1) {
    ids.push(String(answer.body['id']));
    answer = await register(count);
  }
  await ask('createWebhookEndpoint');
  await ask('replayWebhookDelivery', { at: { ...PLACE, endpointId: ids[0] ?? '' } });
  for (const id of ids)
    await system.send({ method: 'DELETE', path: `${path}/${id}`, token: tokens.operator });
}
