// Goal: whatever is away for a while, a buyer who uses the client ends with a true result, and never with a
// second unit. Method: the real system; answers are swallowed, services and engines are killed and put
// back.
import { forwardTcp } from '@seckill/testing';
import t from 'tap';
import { makeBuyer, oneOf } from '../support/buyer.ts';
import { buildStack, createSale, oneItem, readHeld, until } from '../support/stack.ts';

const system = await buildStack(t, 'client-faults');
const { stack } = system;

await t.test('an answer that was swallowed: the same key tells, and nothing is taken twice', async (t) => {
  await createSale(system, 'client-swallowed');
  const way = await forwardTcp(t, stack.info.gateway);
  const buyer = makeBuyer(system, 'unlucky', { baseUrl: way.url });

  await buyer.getSale('client-swallowed');
  way.swallow();
  const hasty = await buyer.reserve('client-swallowed', oneOf('a'), { deadlineMs: 4_000 });
  t.match(hasty, { ok: false, code: 'outcome_unknown', retryable: true, inDoubt: true });
  await until(
    'the unit was taken all the same',
    async () => (await readHeld(system, 'client-swallowed')) === 1,
  );
  const waiting = buyer.reserve('client-swallowed', oneOf('a'), { key: hasty.key });
  const before = way.accepted;
  await until('it asks again after three seconds', () => way.accepted > before + 1);
  await way.mend();
  t.match(await waiting, { ok: true, replayed: true, key: hasty.key });
  t.equal(await buyer.countUnits('client-swallowed'), 1);

  way.swallow();
  const ending = new AbortController();
  const aborted = buyer.reserve('client-swallowed', oneOf('a'), { signal: ending.signal });
  await until('a second one was taken', async () => (await readHeld(system, 'client-swallowed')) === 2);
  ending.abort();
  const ended = await aborted;
  t.match(
    ended,
    { ok: false, code: 'aborted', inDoubt: true },
    'who ends a wait is told that it is in doubt',
  );
  await way.mend();
  t.match(await buyer.reserve('client-swallowed', oneOf('a'), { key: ended.key }), {
    ok: true,
    replayed: true,
  });

  const order = hasty.key === ended.key ? undefined : await waiting;
  if (order?.ok !== true) return t.fail('no order');
  way.swallow();
  const cancelling = buyer.cancel(order.value.id);
  await until('it is cancelled', async () => (await readHeld(system, 'client-swallowed')) === 1);
  await way.mend();
  t.match(await cancelling, { ok: true, value: { status: 'cancelled' } }, 'a repeated cancel is the same');
});

await t.test('while nobody listens a call ends in "unknown"; what listens again sells', async (t) => {
  await createSale(system, 'client-refused');
  const way = await forwardTcp(t, stack.info.gateway);
  await way.cut();
  const buyer = makeBuyer(system, 'offline', { baseUrl: way.url });
  const hasty = await buyer.reserve('client-refused', oneOf('a'), { deadlineMs: 500 });
  t.match(hasty, { ok: false, code: 'outcome_unknown', inDoubt: true, cause: TypeError });
  t.match(await buyer.getSale('client-refused', { deadlineMs: 500 }), {
    code: 'outcome_unknown',
    inDoubt: false,
  });
  const waiting = buyer.reserve('client-refused', oneOf('a'), { key: hasty.key });
  await way.mend();
  t.match(await waiting, { ok: true, replayed: false });
  t.equal(await buyer.countUnits('client-refused'), 1);
});

await t.test(
  'Redis is killed and comes back: sale_unavailable passes, each buyer has one unit',
  async (t) => {
    await createSale(system, 'client-redis', { items: [oneItem(100)] });
    await stack.engines.kill('redis');
    const codes = new Set<string>();
    const buyers = Array.from({ length: 10 }, (_, index) => makeBuyer(system, `redis-${index}`));
    for (const buyer of buyers) {
      const hasty = await buyer.reserve('client-redis', oneOf('a'), { deadlineMs: 400 });
      if (!hasty.ok) codes.add(hasty.code);
    }
    t.ok(codes.has('sale_unavailable') || codes.has('outcome_unknown'), [...codes].join());
    const waiting = buyers.map((buyer) => buyer.reserve('client-redis', oneOf('a')));
    await stack.engines.restart('redis');
    for (const one of await Promise.all(waiting)) t.match(one, { ok: true });
    for (const buyer of buyers) t.equal(await buyer.countUnits('client-redis'), 1);
    t.equal(await readHeld(system, 'client-redis'), 10);
  },
);

await t.test('stock is killed under a crowd: everybody ends with one unit', async (t) => {
  await createSale(system, 'client-stock', { items: [oneItem(1_000)] });
  const buyers = Array.from({ length: 100 }, (_, index) => makeBuyer(system, `stock-${index}`));
  const waiting = buyers.map((buyer) => buyer.reserve('client-stock', oneOf('a')));
  await until('it sells', async () => (await readHeld(system, 'client-stock')) > 0);
  const late = buyers.map((buyer) => buyer.reserve('client-stock', oneOf('a')));
  await stack.kill('stock');
  await stack.restart('stock');
  for (const one of await Promise.all([...waiting, ...late])) t.match(one, { ok: true });
  await until(
    'each has the two that were asked for',
    async () => (await readHeld(system, 'client-stock')) === 200,
  );
});

await t.test('the row of an order is on its way: order_not_ready passes', async (t) => {
  await createSale(system, 'client-row');
  await stack.restart('order', { ROLES: 'http' });
  const buyer = makeBuyer(system, 'hurried');
  const done = await buyer.reserve('client-row', oneOf('a'));
  if (!done.ok) return t.fail(done.code);
  const hasty = await buyer.cancel(done.value.id, { deadlineMs: 3_000 });
  t.match(hasty, { ok: false, code: 'order_not_ready', retryable: true, inDoubt: false });
  const waiting = buyer.cancel(done.value.id);
  await stack.restart('order', { ROLES: 'http,intake,expiry,relay' });
  t.match(await waiting, { ok: true, value: { status: 'cancelled' } });
  t.equal(await buyer.countUnits('client-row'), 0);
});

await t.test(
  'Kafka is away and the outbox is full: overloaded passes, each buyer has one unit',
  async (t) => {
    await createSale(system, 'client-kafka', { items: [oneItem(100)] });
    await stack.restart('stock', { RELAY_OUTBOX_COUNT_MAX: '3' });
    await until('the sale is open', async () => (await readHeld(system, 'client-kafka')) === 0);
    await stack.engines.kill('kafka');
    const buyers = Array.from({ length: 8 }, (_, index) =>
      makeBuyer(system, `kafka-${index}`, { deadlineMs: 60_000 }),
    );
    const hasty = await Promise.all(
      buyers.map((buyer) => buyer.reserve('client-kafka', oneOf('a'), { deadlineMs: 900 })),
    );
    const refused = hasty.filter((one) => !one.ok);
    t.equal(refused.length, 5, 'the outbox holds three');
    for (const one of refused) t.match(one, { code: 'overloaded', inDoubt: false });
    const waiting = buyers.map((buyer, index) => {
      const key = hasty[index]?.key ?? '';
      return buyer.reserve('client-kafka', oneOf('a'), { key });
    });
    await stack.engines.restart('kafka');
    for (const one of await Promise.all(waiting)) t.match(one, { ok: true });
    for (const buyer of buyers) t.equal(await buyer.countUnits('client-kafka'), 1);
    t.equal(await readHeld(system, 'client-kafka'), 8);
  },
);
