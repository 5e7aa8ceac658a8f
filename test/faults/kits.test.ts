// Goal: kits and their parts race for the same units, and no unit is sold twice or lost, whoever dies and
// whatever Redis forgets meanwhile (INV-1 to INV-6).
// Method: the whole system under a rush of buyers who want kits, parts or both, with a limit of an item's
// own; order, stock and Redis are killed and Redis is emptied; then the demo's audit. Then the last units
// are raced for.
import t from 'tap';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { pick, seededRandom } from '../../bench/src/random.ts';
import { judge } from '../../bench/src/audit/judge.ts';
import { readSettled } from '../../bench/src/audit/reading.ts';
import { judgeRush, openSale, startRush, untilMore, untilOpen } from '../support/aftermath.ts';
import { connectRedis, flushAll } from '../support/redis.ts';
import { Rush } from '../support/rush.ts';
import { buildStack } from '../support/stack.ts';

const SEED = Number(process.env['SECKILL_SEED'] ?? Date.now() % 1_000_000);
const price = { amount: 100, currency: 'CNY' };

t.setTimeout(300_000);
const client = await buildStack(t, 'kits-faults');
const { stack } = client;
const engines = new EngineReader(stack.info);
t.teardown(() => engines.close());
const redis = connectRedis(t, stack.info.redis);

const sale = (units: number) => ({
  limitPerBuyer: 9,
  items: [
    { sku: 'a', title: 'A', price, total: units },
    { sku: 'b', title: 'B', price, total: 2 * units, limitPerBuyer: 5 },
    {
      sku: 'k',
      title: 'K',
      price,
      components: [
        { sku: 'a', quantity: 1 },
        { sku: 'b', quantity: 2 },
      ],
    },
    { sku: 'm', title: 'M', price, components: [{ sku: 'b', quantity: 3 }] },
  ],
});

/** Kits, parts, and both in one request. */
function plan(random: () => number) {
  const skus = [pick(random, ['a', 'b', 'k', 'm']), pick(random, ['a', 'b', 'k', 'm'])];
  const lines = [...new Set(skus)].map((sku) => ({ sku, quantity: random() < 0.2 ? 2 : 1 }));
  return random() < 0.3 ? { lines, channelId: 'capped' } : { lines };
}

await t.test(`kits sell on through kills and a rebuild (seed ${SEED})`, async (t) => {
  const saleId = 'kits-killed';
  const random = seededRandom(SEED);
  const rush = await startRush({ client, engines, saleId, random, plan, sale: sale(30_000) });
  for (const service of ['order', 'stock', 'order', 'stock'] as const) {
    await stack.kill(service);
    await stack.restart(service);
    await untilMore(rush, 20);
  }
  await stack.engines.kill('redis');
  await stack.engines.restart('redis');
  await untilMore(rush, 20);
  const { epoch } = await untilOpen(client, saleId);
  const lost = await flushAll(redis, saleId);
  await untilOpen(client, saleId, epoch);
  await untilMore(rush, 20);
  const reading = await judgeRush(t, { client, engines, rush, lost });
  const orders = reading.sales[0]?.orders ?? [];
  t.ok(orders.filter(({ bought }) => bought).length > 20, 'kits were bought');
  t.ok(rush.rejected('limit_reached') > 0, 'limits were met');
});

await t.test(
  'kits and parts race for the last units, and every unit of the scarce part is sold',
  async (t) => {
    const saleId = 'kits-race';
    const units = 60;
    await openSale(client, saleId, sale(units));
    const random = seededRandom(SEED);
    // Nobody gives up, so what is reserved stays.
    const rush = new Rush({ client, saleId, random, plan, shoppers: 0, isIdle: true });
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        for (let turn = 0; turn < 40; turn += 1) await rush.buyOnce();
      }),
    );
    await rush.stop();
    await rush.repeatKeys();
    const reading = await readSettled(engines, [saleId], 60_000);
    t.same(judge(reading, rush.history), [], 'every invariant holds');
    const left = reading.sales[0]?.lane.items.map(({ sku, available }) => [sku, available]) ?? [];
    t.ok(
      left.some(([, available]) => available === 0),
      `a part is sold out: ${JSON.stringify(left)}`,
    );
    t.ok(rush.rejected('sold_out') > 0);
  },
);
