// Goal: an operator reads why a sale sells or not, since when and what to do, and where its units are.
// Method: the real system; each cause that needs no fault is made by the calls that make it. Causes of what
// is away: test/faults/explain.test.ts.
import type { SaleExplanation } from '@seckill/contracts';
import t, { type Test } from 'tap';
import { makeReserve } from '../support/reserve.ts';
import { actingAs, buildStack, createSale, oneItem, until, untilRows } from '../support/stack.ts';

const client = await buildStack(t, 'explain');
const operator = await client.token('operator', true);
const buyer = await client.token('explain-buyer');
const reserve = makeReserve(client, buyer);

const explain = async (saleId: string, language = 'en'): Promise<SaleExplanation> => {
  const headers = { 'accept-language': language };
  const path = `/v1/sales/${saleId}/explain`;
  const answer = await client.send({ path, token: operator, headers });
  if (answer.status !== 200) throw new Error(answer.text);
  return answer.body as SaleExplanation;
};
const act = actingAs(client, operator);
const codesOf = ({ because }: SaleExplanation) => because.map(({ code }) => code);

/** Asserts that an instant of PostgreSQL's or Redis' clock is of this minute. */
function isRecent(t: Test, since: string | undefined): void {
  t.ok(Math.abs(Date.now() - Date.parse(since ?? '')) < 60_000, `since ${since}`);
}

/** Every unit is somewhere, whatever the sale went through. */
function addsUp(t: Test, { items }: SaleExplanation): void {
  for (const { sku, total, available, held, paid, writtenOff = 0 } of items) {
    t.equal(available + held + paid + writtenOff, total, sku);
  }
}

await t.test('a sale that sells has no cause, and both sides with their times', async (t) => {
  await createSale(client, 'explain-open');
  const told = await explain('explain-open');
  t.match(told, { saleId: 'explain-open', state: 'open', selling: true });
  t.same(told.because, []);
  t.same(told.items[0], { sku: 'a', total: 10, available: 10, held: 0, paid: 0, returned: 0, writtenOff: 0 });
  t.same(told.redis?.items[0], { sku: 'a', total: 10, available: 10, held: 0, paid: 0 });
  t.match(told.ledger?.items[0], { sku: 'a', total: 10, pending: 0, paid: 0 });
  t.same(told.onTheWay, { outbox: 0, outboxMax: 100_000, unstored: 0, settlements: 0 });
  isRecent(t, told.redis?.asOf);
  isRecent(t, told.ledger?.asOf);
});

await t.test('a pause says who, why and since when, in both languages', async (t) => {
  const saleId = 'explain-paused';
  await createSale(client, saleId);
  await act(`/v1/sales/${saleId}/pause`, { reason: 'price is wrong' });
  const told = await explain(saleId);
  t.equal(told.selling, false);
  const cause = { code: 'sale_paused', stops: 'all', by: 'operator', reason: 'price is wrong' };
  t.match(told.because, [cause]);
  isRecent(t, told.because[0]?.since);
  t.match(told.because[0]?.text, 'An operator has paused the sale.');
  t.match(told.because[0]?.do, /resume/);
  const chinese = await explain(saleId, 'zh-CN,zh;q=0.9');
  t.match(chinese.because[0], { ...cause, text: '场次已被运营人员暂停。' });
  await act(`/v1/sales/${saleId}/resume`);
  t.same(codesOf(await explain(saleId)), []);
});

await t.test('one item is paused: the others sell; with all paused nothing does', async (t) => {
  const saleId = 'explain-items';
  await createSale(client, saleId);
  await act(`/v1/sales/${saleId}/items/a/pause`, { reason: 'counting' });
  const told = await explain(saleId);
  t.equal(told.selling, true);
  t.match(told.because, [{ code: 'item_paused', stops: 'part', skus: ['a'], reason: 'counting' }]);
  isRecent(t, told.because[0]?.since);
  await act(`/v1/sales/${saleId}/items/b/pause`);
  t.match(await explain(saleId), { selling: false, because: [{ skus: ['a', 'b'] }] });
});

await t.test('before the opening and after the end', async (t) => {
  const opensAt = new Date(Date.now() + 300_000).toISOString();
  await createSale(client, 'explain-early', { opensAt });
  const early = await explain('explain-early');
  t.match(early, {
    state: 'scheduled',
    selling: false,
    because: [{ code: 'sale_not_open', until: opensAt }],
  });
  await act('/v1/sales/explain-early/close', { reason: 'truck broke down' });
  const closed = await explain('explain-early');
  t.match(closed, { state: 'closed', because: [{ code: 'sale_closed', reason: 'truck broke down' }] });
  isRecent(t, closed.because[0]?.since);
  t.equal(closed.because.length, 1, 'and nothing else is to be said');

  const closesAt = new Date(Date.now() + 1_500).toISOString();
  await createSale(client, 'explain-late', { closesAt });
  await until('the end has come', async () => (await explain('explain-late')).state === 'closed');
  t.match((await explain('explain-late')).because, [{ code: 'sale_closed', since: closesAt }]);
});

await t.test('sold out for now, for good, and too few for one order', async (t) => {
  const saleId = 'explain-sold-out';
  const crates = { ...oneItem(9), sku: 'crate', minQuantity: 6, step: 6 };
  await createSale(client, saleId, { items: [oneItem(2), crates] });
  const { body } = await reserve(saleId, { quantity: 2 });
  await reserve(saleId, { body: { lines: [{ sku: 'crate', quantity: 6 }] } });
  await untilRows(client, saleId, 2);
  const held = await explain(saleId);
  t.same(codesOf(held), ['sold_out_for_now', 'too_few_left']);
  t.match(held, { selling: false, because: [{ skus: ['a'] }, { skus: ['crate'] }] });
  isRecent(t, held.because[0]?.since);
  isRecent(t, held.because[1]?.since);
  addsUp(t, held);
  await client.send({ method: 'POST', path: `/v1/orders/${String(body['id'])}/pay`, token: buyer });
  await until('it is paid', async () => codesOf(await explain(saleId))[0] === 'sold_out');
  t.match((await explain(saleId)).items[0], { available: 0, held: 0, paid: 2 });

  await createSale(client, 'explain-empty', { items: [oneItem(0)] });
  t.same(codesOf(await explain('explain-empty')), ['sold_out_for_now'], 'it waits for its first units');
});

await t.test('channels that are full, and buyers at their limit', async (t) => {
  const saleId = 'explain-limits';
  const channels = ['full', 'roomy'].map((id, index) => ({ id, kind: 'store', title: id, cap: 2 + index }));
  const items = [{ ...oneItem(10), limitPerBuyer: 2 }];
  await createSale(client, saleId, { channels, items, limitPerBuyer: 2 });
  await reserve(saleId, { body: { lines: [{ sku: 'a', quantity: 2 }], channelId: 'full' } });
  await untilRows(client, saleId, 1);
  const told = await explain(saleId);
  t.equal(told.selling, true);
  t.match(told.because, [
    { code: 'channel_full', stops: 'part', channels: ['full'] },
    {
      code: 'limit_reached',
      stops: 'part',
      text: /At least 1 buyers/,
      limits: [
        { limit: 2, buyers: 1 },
        { sku: 'a', limit: 2, buyers: 1 },
      ],
    },
  ]);
  isRecent(t, told.because[1]?.since);
  t.same(told.because[0]?.channels, ['full']);
  isRecent(t, told.because[0]?.since);
});

await t.test('what came back is told apart, and everything adds up', async (t) => {
  const saleId = 'explain-returns';
  await createSale(client, saleId);
  const { body } = await reserve(saleId, { quantity: 5 });
  const orderId = String(body['id']);
  await untilRows(client, saleId, 1);
  await client.send({ method: 'POST', path: `/v1/orders/${orderId}/pay`, token: buyer });
  const giveBack = (quantity: number, restock: boolean) =>
    act(`/v1/orders/${orderId}/returns`, { lines: [{ sku: 'a', quantity }], restock }, `back-${quantity}`);
  t.equal((await giveBack(1, true)).status, 200);
  t.equal((await giveBack(2, false)).status, 200);
  const wanted = { total: 10, available: 6, held: 0, paid: 2, returned: 1, writtenOff: 2 };
  await until('both sides know', async () => {
    const told = await explain(saleId);
    addsUp(t, told);
    return told.items[0]?.available === 6 && told.items[0].held === 0;
  });
  const told = await explain(saleId);
  t.match(told.items[0], wanted);
  t.match(
    told.redis?.items[0],
    { available: 6, held: 0, paid: 4 },
    'Redis counts what is gone for good as paid',
  );
  t.match(told.ledger?.items[0], { pending: 0, paid: 2, returned: 1, writtenOff: 2 });
});

await t.test('only operators ask, and only of a sale that there is', async (t) => {
  const path = '/v1/sales/explain-open/explain';
  t.equal((await client.send({ path })).status, 401);
  t.equal((await client.send({ path, token: buyer })).status, 403);
  const unknown = await client.send({ path: '/v1/sales/explain-none/explain', token: operator });
  t.match(unknown, { status: 404, body: { code: 'sale_not_found' } });
});
