// Goal: an item that is lowered while a crowd buys loses exactly what operators were told, on both sides,
// whatever dies between the steps (INV-1, INV-3), and what is held or paid stays.
// Method: the whole system under a rush of buyers; adjustments under keys that are repeated until they are
// answered, while order, stock and Redis are killed and Redis is emptied; then the demo's audit.
import t from 'tap';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { seededRandom } from '../../bench/src/random.ts';
import { judgeRush, startRush, untilOpen } from '../support/aftermath.ts';
import { connectRedis, flushAll } from '../support/redis.ts';
import { buildStack, until, type Client } from '../support/stack.ts';

const SEED = Number(process.env['SECKILL_SEED'] ?? Date.now() % 1_000_000);
const STARTED_WITH = 40_000;
const ASKED = 7;

t.setTimeout(300_000);
const client = await buildStack(t, 'adjustments');
const { stack } = client;
const engines = new EngineReader(stack.info);
t.teardown(() => engines.close());
const redis = connectRedis(t, stack.info.redis);

/**
 * Adjusts as an operator's script does, with the same key until it is answered. @returns the units that could
 * be taken out.
 */
async function adjust(client: Client, saleId: string, key: string, quantity: number): Promise<number> {
  for (;;) {
    const { status, body, text } = await client.send({
      method: 'POST',
      path: `/v1/sales/${saleId}/items/b/adjust`,
      token: await client.token('operator', true),
      key,
      body: { quantity: -quantity, reason: 'spoilt' },
    });
    if (status === 200) return Number(body['adjusted']);
    if (body['retryable'] !== true && status !== 0) throw new Error(`${key}: ${status} ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

await t.test(`an item is lowered during a storm, whoever dies meanwhile (seed ${SEED})`, async (t) => {
  const saleId = 'lowered';
  const rush = await startRush({ client, engines, saleId, random: seededRandom(SEED) });
  const told: number[] = [];
  let isEnding = false;
  const operators = Array.from({ length: 3 }, async (_, operator) => {
    for (let count = 0; !isEnding; count += 1) {
      told.push(await adjust(client, saleId, `${operator}-${count}`, ASKED));
    }
  });
  const untilTold = (more: number) => {
    const wanted = told.length + more;
    return until(`${wanted} adjustments`, () => told.length >= wanted, 60_000);
  };
  await untilTold(5);
  for (const service of ['order', 'stock', 'order', 'stock'] as const) {
    await stack.kill(service);
    await stack.restart(service);
    await untilTold(3);
  }
  await stack.engines.kill('redis');
  await stack.engines.restart('redis');
  await untilTold(3);
  const { epoch } = await untilOpen(client, saleId);
  const lost = await flushAll(redis, saleId);
  await untilOpen(client, saleId, epoch);
  await untilTold(3);
  isEnding = true;
  await Promise.all(operators);
  // The last adjustment asks for more units than there are.
  const rest = await adjust(client, saleId, 'rest', 10_000_000);
  const reading = await judgeRush(t, { client, engines, rush, lost });
  t.ok(told.length > 20, `${told.length} adjustments`);
  t.ok(
    told.every((units) => units === -ASKED),
    'each took what was asked for',
  );
  const lowered = [...told, rest].reduce((sum, units) => sum - units, 0);
  const { body } = await client.send({
    path: `/v1/sales/${saleId}`,
    token: await client.token('operator', true),
  });
  const [, item] = body['items'] as { total: number; available: number; held: number; paid: number }[];
  t.equal(item?.total, STARTED_WITH - lowered, 'exactly what was told is gone');
  t.equal(await adjust(client, saleId, '0-0', ASKED), -ASKED, 'a repeat tells the same');
  t.ok((item?.held ?? 0) + (item?.paid ?? 0) <= (item?.total ?? 0), 'what is held or paid stays');
  t.ok(reading.sales.length === 1);
});
