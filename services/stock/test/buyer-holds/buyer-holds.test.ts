// Goal: stock tells what a buyer has reserved that may have no row: how many in each sale, and what waits for
// Kafka. A sale is looked at for as long as it may have an order without a row, and no longer.
// Method: stock's route on a real Redis, with the feed of changes; the relay is the test's.
import { silent } from '@seckill/testing';
import type { BuyerHolds } from '@seckill/contracts';
import t from 'tap';
import { AwakeLanes, AWAKE_MS } from '../../src/buyer-holds/awake-lanes.ts';
import { Unpublished } from '../../src/buyer-holds/unpublished.ts';
import { ChangeFeed } from '../../src/change-feed.ts';
import { laneKeys } from '../../src/redis/keys.ts';
import { build, item, until } from '../support/build.ts';

await t.test('a buyer hears of each sale, and of what waits for Kafka', async (t) => {
  const feeds: ChangeFeed[] = [];
  const built = await build(t, {
    onConnected: (connections) => {
      feeds.push(new ChangeFeed(connections, silent));
      return feeds[0] as ChangeFeed;
    },
  });
  const stop = new AbortController();
  const [feed] = feeds;
  let isListening = false;
  feed?.listen({ onChange: () => undefined, onListening: () => (isListening = true) });
  const running = feed?.run(stop.signal);
  t.teardown(async () => {
    stop.abort();
    await running;
  });
  await until('changes are heard', () => isListening);
  const items = [{ sku: 'a', total: 9, price: 100 }];
  const [one, two] = [built.addSale({ items }), built.addSale({ items })];
  for (const sale of [one, two]) await built.hand(sale);
  // Other tests at this Redis have buyers too.
  const [me, other] = [`me-${one.saleId}`, `other-${one.saleId}`];
  const ask = async (userId: string, query = '', as: 'gateway' | 'order' = 'gateway') => {
    const options = { as, headers: { 'x-user-id': userId } };
    const { status, body } = await built.send('GET', `/internal/buyers/holds${query}`, options);
    const told = body as unknown as BuyerHolds[];
    return status === 200
      ? told.map(({ saleId, taken, unpublished }) => [saleId, taken, unpublished.map(({ id }) => id)])
      : status;
  };
  const reserve = async (saleId: string, userId: string, key: string): Promise<string> => {
    const lines = [{ sku: 'a', quantity: 1 }];
    const [answer] = await built.reserve(item(saleId, { userId, idempotencyKey: key, lines }));
    if (answer?.outcome !== 'reserved') throw new Error(String(answer?.outcome));
    return answer.reservation.id;
  };
  t.same(await ask(me), []);
  const first = await reserve(one.saleId, me, 'k1');
  t.same(await ask(me), [[one.saleId, 1, [first]]], 'at once');
  t.same(await ask(other), [], 'and nobody else');
  await reserve(one.saleId, other, 'k1');
  const second = await reserve(one.saleId, me, 'k2');
  const third = await reserve(two.saleId, me, 'k1');
  const both = [
    [one.saleId, 2, [first, second]],
    [two.saleId, 1, [third]],
  ];
  t.same(await ask(me), both);
  t.same(await Promise.all(Array.from({ length: 20 }, () => ask(me))), Array(20).fill(both), 'many at once');
  t.same(await ask(me, `?saleId=${two.saleId}`), [[two.saleId, 1, [third]]]);
  t.same(await ask(me, '?saleId=none'), []);
  await built.relay(one.saleId);
  t.same(await ask(me, `?saleId=${one.saleId}`), [[one.saleId, 2, []]], 'the rest is told by Kafka');
  const fourth = await reserve(one.saleId, me, 'k4');
  t.same(await ask(me, `?saleId=${one.saleId}`), [[one.saleId, 3, [fourth]]]);
  t.equal(await ask(me, '', 'order'), 403);
  t.equal(await ask(''), 400);
  t.equal(await ask(me, '?more=1'), 400);
  const { redis } = built.connection;
  await redis.hset(laneKeys({ saleId: one.saleId, lane: 0 }).buyers, me, 'no counts');
  t.same(await ask(me), [[two.saleId, 1, [third]]], 'what no script writes is left out');
});

await t.test('an outbox is read once, page by page, and forgotten as it empties', async (t) => {
  const built = await build(t);
  const { saleId } = built.addSale();
  const lane = { saleId, lane: 0 };
  const { outbox } = laneKeys(lane);
  const { redis } = built.connection;
  const record = (userId: string, number: number) => `${userId}\n${number}`;
  const add = async (from: number, to: number): Promise<void> => {
    const pipeline = redis.pipeline();
    for (let number = from; number <= to; number += 1) {
      pipeline.xadd(outbox, `1-${number}`, 'record', record(`u${number % 3}`, number));
    }
    await pipeline.exec();
  };
  const unpublished = new Unpublished(built.connections, lane);
  await add(1, 1_200);
  t.equal((await unpublished.of('u1')).length, 100, 'the newest');
  t.equal((await unpublished.of('u1')).at(-1), record('u1', 1_198));
  t.equal(unpublished.size, 1_200);
  await add(1_201, 1_203);
  await redis.xtrim(outbox, 'MINID', '1-1198');
  t.same(await unpublished.of('u1'), [record('u1', 1_198), record('u1', 1_201)]);
  t.equal(unpublished.size, 6);
  await redis.xtrim(outbox, 'MAXLEN', 0);
  t.same(await unpublished.of('u1'), []);
  t.equal(unpublished.size, 0);
  await add(1_204, 1_206);
  t.same(await unpublished.of('u1'), [record('u1', 1_204)]);
});

await t.test('the lanes that sold last are known, and sleep when nothing is reserved', async (t) => {
  let now = 0;
  const lanes = new AwakeLanes(() => now, 2);
  const names = () => lanes.all().map(({ lane, isDue }) => `${lane.saleId} ${String(isDue)}`);
  const [a, b, c] = ['a', 'b', 'c'].map((saleId) => ({ saleId, lane: 0 })) as [Lane, Lane, Lane];
  lanes.wake(a);
  lanes.wake(b);
  lanes.wake(a);
  lanes.wake(c);
  t.same(names(), ['a false', 'c false'], 'b sold longest ago');
  lanes.add([b]);
  t.same(names(), ['a false', 'c false'], 'what sold meanwhile keeps its place');
  now = AWAKE_MS - 1;
  lanes.wake(a);
  now = AWAKE_MS;
  t.same(names(), ['c true', 'a false']);
  lanes.sleep(c);
  t.same(names(), ['a false']);
});

type Lane = Parameters<AwakeLanes['wake']>[0];
