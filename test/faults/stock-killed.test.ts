// Goal: a stock that dies in the middle of a crowd leaves no buyer with a wrong answer: whoever cannot be
// told hears "unknown", and the same key tells the truth afterwards (INV-4). Method: the whole system,
// SIGKILL under 2,000 requests.
import { Redis } from 'ioredis';
import t from 'tap';
import { reserveOne, type Told } from '../support/reserve.ts';
import { buildStack, createSale, oneItem, until } from '../support/stack.ts';

const client = await buildStack(t, 'stock-killed');
const { stack } = client;
const redis = new Redis(stack.info.redis);
t.teardown(() => {
  redis.disconnect();
});

await t.test('stock is killed in the middle: "unknown", and the same key tells the truth', async (t) => {
  await createSale(client, 'stock-killed', { items: [oneItem(100_000)] });
  const told = new Map<string, Told>();
  let round = 0;
  const unknown = () => [...told].filter(([, { code }]) => code === 'outcome_unknown').map(([key]) => key);
  for (; unknown().length === 0 && round < 3; round += 1) {
    const sequence = async () => Number(await redis.hget('seckill:{stock-killed:0}:state', 'sequence'));
    const started = await sequence();
    const crowd = Array.from({ length: 2_000 }, async (_, index) => {
      const key = `${round}-${index}`;
      told.set(key, await reserveOne(client, client.http, 'stock-killed', `u${key}`, key));
    });
    await until('it is selling', async () => (await sequence()) > started + 50);
    await stack.kill('stock');
    await Promise.all(crowd);
    await stack.restart('stock');
  }
  const lost = unknown();
  t.ok(lost.length > 0, `${lost.length} of ${told.size} are unknown after ${round} rounds`);
  t.ok(
    lost.every((key) => (told.get(key)?.retryAfter ?? 0) > 1),
    'they are asked to wait longer than the memory lasts',
  );
  const others = [...told.values()].filter(
    ({ status, code }) => status !== 201 && code !== 'outcome_unknown',
  );
  const surelyNot = new Set(['sale_unavailable', 'overloaded']);
  t.same(
    others.filter(({ code }) => !surelyNot.has(code ?? '')),
    [],
    'nobody hears anything else',
  );
  const reserved = [...told].filter(([, { status }]) => status === 201);
  const heldBefore = Number(await redis.hget('seckill:{stock-killed:0}:state', 'a:held'));
  t.ok(
    heldBefore >= reserved.length && heldBefore <= reserved.length + lost.length,
    'unknown ones may be made',
  );
  const repeats = await Promise.all(
    lost.map((key) => reserveOne(client, client.http, 'stock-killed', `u${key}`, key)),
  );
  t.ok(
    repeats.every(({ status }) => status === 201),
    'every repeat is definite',
  );
  const held = Number(await redis.hget('seckill:{stock-killed:0}:state', 'a:held'));
  t.equal(held, reserved.length + lost.length, 'INV-4: each key has one unit');
});
