// Goal: an operator is told why a sale does not sell while an engine or a service is away, and that it sells
// on where it does. Method: the real system; each is killed in turn, the operator asks, and it is put back.
// What is told without a fault: test/invariants/explain.test.ts.
import type { SaleCause, SaleExplanation } from '@seckill/contracts';
import { untilWithin } from '@seckill/testing';
import t, { type Test } from 'tap';
import { connectRedis } from '../support/redis.ts';
import { makeReserve } from '../support/reserve.ts';
import { buildStack, createSale, oneItem, until, untilRows } from '../support/stack.ts';

t.setTimeout(300_000);
const client = await buildStack(t, 'explain-faults');
const { stack } = client;
const operator = await client.token('operator', true);
const reserve = makeReserve(client, await client.token('explain-buyer'));
const OUTBOX_MAX = 3;

const explain = async (saleId: string): Promise<SaleExplanation> => {
  const answer = await client.send({ path: `/v1/sales/${saleId}/explain`, token: operator });
  if (answer.status !== 200) throw new Error(answer.text);
  return answer.body as SaleExplanation;
};
const codesOf = ({ because }: SaleExplanation) => because.map(({ code }) => code);
const causeOf = ({ because }: SaleExplanation, code: SaleCause['code']) =>
  because.find((cause) => cause.code === code);
const untilTold = async (saleId: string, code: SaleCause['code']): Promise<SaleExplanation> => {
  let told = await explain(saleId);
  await until(`${saleId} is told ${code}, not ${codesOf(told).join()}`, async () => {
    told = await explain(saleId);
    return causeOf(told, code) !== undefined;
  });
  return told;
};
/** Order may have to wait for what a killed process held before it lets a lane open. */
const untilQuiet = (saleId: string) =>
  untilWithin(60_000)(`nothing stops ${saleId}`, async () => {
    const told = await explain(saleId);
    return told.selling && told.because.length === 0;
  });

/** A sale with one unit held and one paid, that PostgreSQL knows. */
async function openSale(saleId: string): Promise<void> {
  await createSale(client, saleId, { items: [oneItem(10)] });
  for (let index = 0; index < 2; index += 1) {
    const { status, text } = await reserve(saleId);
    if (status !== 201) throw new Error(text);
  }
  await untilRows(client, saleId, 2);
}

function isRecent(t: Test, cause: SaleCause | undefined): void {
  t.ok(Math.abs(Date.now() - Date.parse(cause?.since ?? '')) < 60_000, `since ${cause?.since}`);
}

await t.test('order is away: it sells on, by the counts of Redis', async (t) => {
  await openSale('explain-order');
  await stack.kill('order');
  const told = await explain('explain-order');
  t.match(told, { state: 'open', selling: true, because: [{ code: 'order_away', stops: 'nothing' }] });
  isRecent(t, told.because[0]);
  t.equal((await explain('explain-order')).because[0]?.since, told.because[0]?.since, 'the first call');
  t.match(told.items, [{ sku: 'a', total: 10, available: 8, held: 2, paid: 0 }]);
  t.notOk(told.ledger);
  t.equal((await reserve('explain-order')).status, 201, 'and so it is');
  await stack.restart('order');
  await untilQuiet('explain-order');
});

await t.test('Redis is emptied while order is away: nobody says that it opens by itself', async (t) => {
  const redis = connectRedis(t, stack.info.redis);
  await stack.kill('order');
  await redis.flushall();
  // Stock lists the sales every 5 s. A sale that stock has listed is to be opened again, and stock says
  // so. No service can tell that of a name that it never heard.
  const isGateTold = async () =>
    ['gate_missing', 'gate_closed'].includes(codesOf(await explain('explain-order'))[0] ?? '');
  await until('the gate is not open', isGateTold);
  t.same(codesOf(await explain('explain-order')).slice(1), ['order_away']);
  const told = await explain('explain-unheard-of');
  t.same(codesOf(told), ['gate_missing', 'order_away']);
  t.equal(told.selling, false);
  t.equal((await reserve('explain-order')).status, 503, 'and so it is');
  await stack.restart('order');
  await untilQuiet('explain-order');
});

await t.test('stock is away: nothing sells, and the ledger counts', async (t) => {
  await openSale('explain-stock');
  await stack.kill('stock');
  const told = await explain('explain-stock');
  t.match(told, { state: 'loading', selling: false, because: [{ code: 'stock_away', stops: 'all' }] });
  isRecent(t, told.because[0]);
  t.match(told.items, [{ sku: 'a', total: 10, available: 8, held: 2, paid: 0 }]);
  t.notOk(told.redis);
  const token = operator;
  await client.send({
    method: 'POST',
    path: '/v1/sales/explain-stock/pause',
    token,
    body: { reason: 'fire' },
  });
  const paused = await explain('explain-stock');
  t.same(
    codesOf(paused),
    ['stock_away', 'sale_paused', 'change_unconfirmed'],
    'what order decided meanwhile',
  );
  isRecent(t, causeOf(paused, 'change_unconfirmed'));
  await stack.restart('stock');
  await until(
    'stock has taken it over',
    async () => codesOf(await explain('explain-stock')).join() === 'sale_paused',
  );
  t.match((await explain('explain-stock')).because, [{ reason: 'fire', by: 'operator' }]);
});

await t.test('PostgreSQL is away: it sells on, until it is back', async (t) => {
  await openSale('explain-postgres');
  await stack.engines.kill('postgres');
  const told = await untilTold('explain-postgres', 'postgres_away');
  t.match(told, { state: 'open', selling: true });
  isRecent(t, causeOf(told, 'postgres_away'));
  t.equal((await reserve('explain-postgres')).status, 201, 'and so it is');
  await stack.engines.restart('postgres');
  await untilQuiet('explain-postgres');
});

await t.test('Redis is away: nothing sells, and the ledger counts', async (t) => {
  await openSale('explain-redis');
  await stack.engines.kill('redis');
  const told = await untilTold('explain-redis', 'redis_away');
  t.match(told, { selling: false, because: [{ code: 'redis_away', stops: 'all' }] });
  t.match(told.items, [{ sku: 'a', total: 10, available: 8, held: 2, paid: 0 }]);
  await until('this process of stock has missed it', async () => {
    return causeOf(await explain('explain-redis'), 'redis_away')?.since !== undefined;
  });
  await stack.engines.restart('redis');
  await untilQuiet('explain-redis');
});

await t.test('Kafka is away: it sells until the outbox is full', async (t) => {
  await openSale('explain-kafka');
  await stack.restart('stock', { RELAY_OUTBOX_COUNT_MAX: String(OUTBOX_MAX) });
  await untilQuiet('explain-kafka');
  await stack.engines.kill('kafka');
  const away = await untilTold('explain-kafka', 'kafka_away');
  t.match(away, { selling: true, onTheWay: { outbox: 0, outboxMax: OUTBOX_MAX, unstored: 0 } });
  isRecent(t, causeOf(away, 'kafka_away'));
  for (let index = 0; index < OUTBOX_MAX; index += 1) t.equal((await reserve('explain-kafka')).status, 201);
  const full = await explain('explain-kafka');
  t.match(full, { selling: false, because: [{ code: 'outbox_full', stops: 'all' }, { code: 'kafka_away' }] });
  t.match(
    full.because[0]?.text,
    `${OUTBOX_MAX} reservations wait for Kafka, and no more than ${OUTBOX_MAX} may`,
  );
  t.match(full.onTheWay, { outbox: OUTBOX_MAX, unstored: OUTBOX_MAX });
  isRecent(t, full.because[0]);
  t.match(await reserve('explain-kafka'), { status: 503, body: { code: 'overloaded' } }, 'and so it is');
  await stack.engines.restart('kafka');
  await stack.restart('stock', { RELAY_OUTBOX_COUNT_MAX: '100000' });
  await untilQuiet('explain-kafka');
});

await t.test('nobody relays: what waits is told before it stops the sale', async (t) => {
  await stack.restart('stock', { ROLES: 'http,settler,audit' });
  await until('it sells', async () => (await explain('explain-kafka')).selling);
  t.equal((await reserve('explain-kafka')).status, 201);
  const told = await untilTold('explain-kafka', 'outbox_waits');
  t.equal(told.selling, true);
  isRecent(t, causeOf(told, 'outbox_waits'));
  await stack.restart('stock', { ROLES: 'http,relay,settler,audit' });
  await untilQuiet('explain-kafka');
});
