// Goal: on engines of several nodes (`npm start -- --cluster`) a sale goes on when a node of any engine dies,
// the node comes back by itself, and every buyer finds the order (INV-1 to INV-6).
// Method: a Redis Cluster, three Kafka nodes and PostgreSQL with a standby, all programs of this machine; a
// crowd that buys, pays and cancels; SIGKILL of one node after the other.
import t from 'tap';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { seededRandom } from '../../bench/src/random.ts';
import { judgeRush, startRush, untilMore } from '../support/aftermath.ts';
import { buildCluster, until } from '../support/stack.ts';

const SEED = Number(process.env['SECKILL_SEED'] ?? Date.now() % 1_000_000);
/** A node of Kafka takes some ten seconds on a busy machine. */
const AGAIN_MS = 120_000;

t.setTimeout(480_000);
t.comment(`seed ${SEED}`);
const client = await buildCluster(t, 'engine-nodes');
const { info } = client.stack;
const engines = new EngineReader({ ...info, isRedisCluster: true });
t.teardown(() => engines.close());
const rush = await startRush({
  client,
  engines,
  saleId: 'nodes',
  random: seededRandom(SEED),
  shoppers: 4,
});

await t.test('the engines are what they say', async (t) => {
  const names = Object.keys(info.pids).filter((name) => /^(redis|kafka|postgres)/.test(name));
  t.same(names.sort(), [
    ...['kafka-1', 'kafka-2', 'kafka-3', 'postgres', 'postgres-standby'],
    ...['redis-primary-1', 'redis-primary-2', 'redis-primary-3'],
    ...['redis-replica-1', 'redis-replica-2', 'redis-replica-3'],
  ]);
  t.equal(info.kafka.split(',').length, 3);
});

for (const name of [
  'kafka-1',
  'kafka-3',
  'postgres-standby',
  'postgres',
  'redis-primary-1',
  'redis-replica-2',
]) {
  await t.test(`${name} dies: the sale goes on, and it comes back`, async (t) => {
    const before = info.pids[name];
    if (before === undefined) throw new Error(`${name} does not run`);
    process.kill(before, 'SIGKILL');
    await until(`${name} runs again`, async () => (info.pids[name] ?? before) !== before, AGAIN_MS);
    await untilMore(rush, 20);
    t.ok(process.kill(info.pids[name] ?? 0, 0), 'by another process');
  });
}

await t.test('each buyer who was told 201 finds the order, and nothing is sold twice', async (t) => {
  await judgeRush(t, { client, engines, rush });
});
