// Goal: whoever rebuilds may be stopped or die at any point, and another may do the same at the same time:
// the lane opens by itself, under the newest epoch alone (INV-1), and nothing promised is lost (INV-2).
// Method: under a rush of buyers Redis is emptied; as soon as one of two stock processes holds the right to
// rebuild, one is stopped or killed a random moment later, while the other goes on; order and Kafka are taken
// away during a check.
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { pick, seededRandom } from '../../bench/src/random.ts';
import { judgeRush, laneState, startRush, untilMore, untilOpen } from '../support/aftermath.ts';
import { campaign } from '@seckill/testing';
import { connectRedis, flushAll } from '../support/redis.ts';
import { buildStack, until } from '../support/stack.ts';

const SEED = Number(process.env['SECKILL_SEED'] ?? Date.now() % 1_000_000);
const random = seededRandom(SEED);
/** About the time from one step of a rebuild to the next. */
const STEP_MS = 50;
const ROUNDS = campaign({ short: 2, full: 8 });

t.setTimeout(300_000);
t.comment(`seed ${SEED}`);
const client = await buildStack(t, 'rebuilders');
const { stack } = client;
const engines = new EngineReader(stack.info);
t.teardown(() => engines.close());
const redis = connectRedis(t, stack.info.redis);

async function startSecond(name: string) {
  const { child } = await stack.startProcess({ service: 'stock', name, env: { ROLES: 'http' } });
  return child;
}

/**
 * Empties Redis and waits until a rebuild has come to a step, and a random moment more. @returns what was
 * lost.
 */
async function emptyAndWait(saleId: string, step: 'kept' | 'created' | 'loaded'): Promise<Set<string>> {
  const lost = await flushAll(redis, saleId);
  const isThere = async () => {
    if (step === 'kept') return (await redis.exists(`seckill:{${saleId}:0}:recovery`)) === 1;
    const field = step === 'created' ? 'epoch' : 'loaded';
    return (await redis.hexists(`seckill:{${saleId}:0}:state`, field)) === 1;
  };
  await until(`a rebuild has come to ${step}`, isThere, 30_000);
  await sleep(random() * STEP_MS);
  return lost;
}

await t.test(
  'one of two rebuilders is stopped or killed in the middle, and wakes after the other has opened',
  async (t) => {
    let second = await startSecond('stock-second');
    const rush = await startRush({ client, engines, saleId: 'two', random });
    const lost = new Set<string>();
    let hits = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const before = await untilOpen(client, 'two');
      const isKill = round % 2 === 1;
      const step = pick(random, ['kept', 'created', 'loaded'] as const);
      for (const id of await emptyAndWait('two', step)) lost.add(id);
      second.kill(isKill ? 'SIGKILL' : 'SIGSTOP');
      const stuck = await redis.get('seckill:{two:0}:recovery');
      const state = await redis.hmget('seckill:{two:0}:state', 'gate', 'epoch', 'chunk', 'loaded');
      await sleep(200);
      if (stuck !== null && (await redis.get('seckill:{two:0}:recovery')) === stuck) {
        hits += 1;
        t.comment(`round ${round}: ${isKill ? 'killed' : 'stopped'} at ${state.join(' ')}`);
        // The lease ends here as it would after ten seconds. Safety does not depend on it.
        await redis.del('seckill:{two:0}:recovery');
      }
      const after = await untilOpen(client, 'two', before.epoch);
      await untilMore(rush, 10);
      if (isKill) second = await startSecond(`stock-second-${round}`);
      else second.kill('SIGCONT');
      await untilMore(rush, 5);
      const awake = await untilOpen(client, 'two', after.epoch - 1);
      t.ok(awake.epoch >= after.epoch, 'whoever wakes opens nothing older');
    }
    t.comment(`${hits} of ${ROUNDS} hit a rebuild under way`);
    await judgeRush(t, { client, engines, rush, lost });
    await second.stop();
  },
);

await t.test('while order is away the sale is unavailable, and opens by itself afterwards', async (t) => {
  const rush = await startRush({ client, engines, saleId: 'no-order', random });
  await stack.kill('order');
  await stack.engines.kill('redis');
  await stack.engines.restart('redis');
  await expectClosed(t, 'no-order');
  await stack.restart('order');
  await untilOpen(client, 'no-order');
  await untilMore(rush, 20);
  await judgeRush(t, { client, engines, rush });
});

await t.test('while Kafka is away the sale is unavailable, and opens by itself afterwards', async (t) => {
  const rush = await startRush({ client, engines, saleId: 'no-kafka', random });
  const before = await laneState(client, 'no-kafka');
  await stack.engines.kill('kafka');
  await stack.engines.kill('redis');
  await stack.engines.restart('redis');
  await expectClosed(t, 'no-kafka');
  await stack.engines.restart('kafka');
  const after = await untilOpen(client, 'no-kafka');
  t.equal(after.epoch, before?.epoch, 'nothing was lost, so nothing was loaded');
  await untilMore(rush, 20);
  await judgeRush(t, { client, engines, rush });
});

/** Waits long enough for several attempts of the lane monitor. */
async function expectClosed(t: Test, saleId: string): Promise<void> {
  await sleep(1_500);
  const answer = await client.send({
    method: 'POST',
    path: `/v1/sales/${saleId}/reservations`,
    token: await client.token('one-more'),
    key: 'while-closed',
    body: { lines: [{ sku: 'b', quantity: 1 }] },
  });
  t.match(answer.body, { code: 'sale_unavailable', retryable: true }, 'the gate is closed');
  t.ok(Number(answer.headers['retry-after']) >= 1, 'the buyer is told when to come back');
  t.not((await laneState(client, saleId))?.gate, 'open');
}
