// Goal: whatever happens to Redis' memory or disk, INV-1 to INV-6 hold, and every promise that had left its
// outbox is kept. Method: the whole system under a rush of buyers who repeat their keys; Redis is killed,
// emptied and put back; then every key is repeated and the engines are judged. What stood in the outbox at
// that moment is read in the same step: nothing but that may be missing.
import t from 'tap';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { seededRandom } from '../../bench/src/random.ts';
import { judgeRush, laneState, startRush, untilMore, untilOpen } from '../support/aftermath.ts';
import { aofFolder, connectRedis, copyAof, flushAll, freezeWrites } from '../support/redis.ts';
import { buildStack } from '../support/stack.ts';

const SEED = Number(process.env['SECKILL_SEED'] ?? Date.now() % 1_000_000);
const random = seededRandom(SEED);

t.setTimeout(300_000);
t.comment(`seed ${SEED}`);
const client = await buildStack(t, 'redis-lost');
const { engines: programs } = client.stack;
const engines = new EngineReader(client.stack.info);
t.teardown(() => engines.close());
const redis = connectRedis(t, client.stack.info.redis);

await t.test(
  'Redis killed and restarted on its disk is compared and opens again, nothing is lost',
  async (t) => {
    const rush = await startRush({ client, engines, saleId: 'killed', random });
    const before = await laneState(client, 'killed');
    await programs.kill('redis');
    const killedAt = performance.now();
    await programs.restart('redis');
    const after = await untilOpen(client, 'killed');
    t.comment(`open again ${Math.round(performance.now() - killedAt)} ms after the kill`);
    t.equal(after.epoch, before?.epoch, 'it was compared, not loaded: no new epoch');
    await untilMore(rush, 20);
    await judgeRush(t, { client, engines, rush });
  },
);

await t.test(
  'Redis emptied while selling is loaded from Postgres, and sells on without overselling',
  async (t) => {
    const rush = await startRush({ client, engines, saleId: 'emptied', random });
    const before = await laneState(client, 'emptied');
    const lost = await flushAll(redis, 'emptied');
    t.comment(`${lost.size} reservations stood in the outbox`);
    await untilOpen(client, 'emptied', before?.epoch);
    await untilMore(rush, 20);
    await judgeRush(t, { client, engines, rush, lost });
  },
);

await t.test('an old AOF put back is loaded anew', async (t) => {
  const rush = await startRush({ client, engines, saleId: 'put-back', random });
  const before = await laneState(client, 'put-back');
  const putBack = copyAof(await aofFolder(redis));
  await untilMore(rush, 60);
  const lost = await freezeWrites(redis, 'put-back');
  t.comment(`${lost.size} reservations stood in the outbox`);
  await programs.kill('redis');
  putBack();
  await programs.restart('redis');
  await untilOpen(client, 'put-back', before?.epoch);
  await untilMore(rush, 20);
  await judgeRush(t, { client, engines, rush, lost });
});

await t.test('Redis emptied while orders are paid and cancelled ends each of them once', async (t) => {
  const rush = await startRush({ client, engines, saleId: 'ending', random });
  const before = await laneState(client, 'ending');
  const ending = rush.endAll();
  const lost = await flushAll(redis, 'ending');
  t.comment(`${lost.size} reservations stood in the outbox`);
  await untilOpen(client, 'ending', before?.epoch);
  await untilMore(rush, 20);
  await ending;
  await judgeRush(t, { client, engines, rush, lost });
});
