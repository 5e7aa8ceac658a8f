// Goal: units of paid orders come back exactly once on both sides, whoever is killed meanwhile, and a rebuild
// knows them (INV-1, INV-3, INV-5, INV-6).
// Method: the whole system; operators take back parts of 40 orders while stock and order are killed, and
// repeat each call until it is answered; then the engines are judged, emptied, and judged again.
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { judge } from '../../bench/src/audit/judge.ts';
import { readSettled } from '../../bench/src/audit/reading.ts';
import { History } from '../../bench/src/audit/history.ts';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { untilOpen } from '../support/aftermath.ts';
import { connectRedis, flushAll } from '../support/redis.ts';
import { buildStack, createSale, until, untilRows, type Answer } from '../support/stack.ts';

const SALE = 'returns-killed';
const ORDERS = 40;
const LINES = [
  { sku: 'a', quantity: 2 },
  { sku: 'b', quantity: 1 },
];

t.setTimeout(300_000);
const client = await buildStack(t, 'returns');
const { stack } = client;
const engines = new EngineReader(stack.info);
t.teardown(() => engines.close());
const redis = connectRedis(t, stack.info.redis);
const operator = await client.token('operator', true);

/** Repeats a call until its answer is definite. Undefined means that nobody answered. */
async function insist(send: () => Promise<Answer>): Promise<Answer> {
  let answer: Answer | undefined;
  await until(
    'a definite answer',
    async () => {
      answer = await send().catch(() => undefined);
      return answer !== undefined && answer.status < 500;
    },
    60_000,
  );
  if (answer === undefined) throw new Error('never happens: until() saw one');
  return answer;
}

async function buy(index: number): Promise<string> {
  const token = await client.token(`returner-${index}`);
  const reserved = await client.send({
    method: 'POST',
    path: `/v1/sales/${SALE}/reservations`,
    token,
    key: 'k',
    body: { lines: LINES, channelId: 'x' },
  });
  if (reserved.status !== 201) throw new Error(reserved.text);
  const path = `/v1/orders/${String(reserved.body['id'])}`;
  const paid = await insist(() => client.send({ method: 'POST', path: `${path}/pay`, token }));
  if (paid.status !== 200) throw new Error(paid.text);
  return path;
}

async function giveBack(path: string, sku: string, restock: boolean): Promise<number> {
  const key = randomUUID();
  const body = { lines: [{ sku, quantity: 1 }], restock };
  const send = () => client.send({ method: 'POST', path: `${path}/returns`, token: operator, key, body });
  const { status } = await insist(send);
  // A repeat hears the same, and takes nothing back once more.
  const again = await insist(send);
  return again.status === status ? status : -1;
}

async function judged(t: Test, name: string): Promise<void> {
  const reading = await readSettled(engines, [SALE], 60_000);
  t.same(judge(reading, new History()), [], `${name}: every invariant holds`);
  const items = reading.sales[0]?.lane.items.map(({ sku, available, paid }) => [sku, available, paid]).sort();
  // Both units of `a` came back for sale, and of `b` one unit of every second order. The other units of `b`
  // are written off.
  t.same(items, [
    ['a', 100, 0],
    ['b', 100 - ORDERS / 2, ORDERS / 2],
  ]);
}

await t.test(
  'order and stock are killed while units come back, and Redis is emptied afterwards',
  async (t) => {
    await createSale(client, SALE, {
      items: [
        { sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total: 100 },
        { sku: 'b', title: 'B', price: { amount: 250, currency: 'CNY' }, total: 100 },
      ],
      channels: [{ id: 'x', kind: 'store', title: 'X', cap: 200 }],
      limitPerBuyer: 3,
    });
    const paths = await Promise.all(Array.from({ length: ORDERS }, (_, index) => buy(index)));
    await untilRows(client, SALE, ORDERS);
    const returning = Promise.all(
      paths.map(async (path, index) => [
        await giveBack(path, 'a', true),
        await giveBack(path, 'b', index % 2 === 0),
        await giveBack(path, 'a', true),
        await giveBack(path, 'a', true),
      ]),
    );
    for (const service of ['stock', 'order', 'stock'] as const) {
      await stack.kill(service);
      await stack.restart(service);
    }
    t.same(await returning, Array(ORDERS).fill([200, 200, 200, 409]), 'a third unit was never bought');
    await untilOpen(client, SALE);
    await judged(t, 'killed');
    const { epoch } = await untilOpen(client, SALE);
    await flushAll(redis, SALE);
    await untilOpen(client, SALE, epoch);
    await judged(t, 'emptied');
    const again = await client.send({
      method: 'POST',
      path: `/v1/sales/${SALE}/reservations`,
      token: await client.token('returner-0'),
      key: 'k2',
      body: { lines: LINES, channelId: 'x' },
    });
    t.equal(again.status, 201, 'the buyer may buy again');
  },
);
