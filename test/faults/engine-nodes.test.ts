// Goal: on engines of several nodes (`npm start -- --cluster`) a sale goes on while a node of Kafka or Redis
// does nothing and when a node of any engine dies, a commit waits for the standby, dead nodes come back by
// themselves, and every buyer finds the order (INV-1 to INV-6).
// Method: a Redis Cluster, three Kafka nodes and PostgreSQL with a standby, all programs of this machine; a
// crowd that buys, pays and cancels; SIGSTOP and SIGKILL of one node after the other.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { TOPICS } from '@seckill/contracts';
import { createKafka, slotOf } from '@seckill/runtime';
import { silent } from '@seckill/testing';
import pg from 'pg';
import t from 'tap';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { seededRandom } from '../../bench/src/random.ts';
import { judgeRush, startRush, untilMore } from '../support/aftermath.ts';
import { buildCluster, until } from '../support/stack.ts';

const SEED = Number(process.env['SECKILL_SEED'] ?? Date.now() % 1_000_000);
const SALE = 'nodes';
/** A node of Kafka takes some ten seconds on a busy machine. */
const AGAIN_MS = 120_000;

t.setTimeout(480_000);
t.comment(`seed ${SEED}`);
const client = await buildCluster(t, 'engine-nodes');
const { info } = client.stack;
const engines = new EngineReader(info);
t.teardown(() => engines.close());
const pool = new pg.Pool({ connectionString: info.postgres, max: 1 });
pool.on('error', () => undefined);
t.teardown(() => pool.end());
const rush = await startRush({
  client,
  engines,
  saleId: SALE,
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
  const admin = createKafka({ brokers: info.kafka.split(',') }, 'nodes-test', silent).admin();
  await admin.connect();
  const { topics } = await admin.fetchTopicMetadata({
    topics: Object.values(TOPICS).map(({ name }) => name),
  });
  await admin.disconnect();
  const partitions = topics.flatMap((topic) => topic.partitions);
  t.ok(partitions.length > 12);
  t.same(
    [...new Set(partitions.map(({ replicas }) => replicas.length))],
    [3],
    'each partition is on three nodes',
  );
  const { rows } = await pool.query<{ sync_state: string }>('SELECT sync_state FROM pg_stat_replication');
  t.same(rows, [{ sync_state: 'sync' }], 'a commit waits for the standby');
});

const stored = async (): Promise<number> => (await engines.orders(SALE)).length;

function pidOf(name: string): number {
  const pid = info.pids[name];
  if (pid === undefined) throw new Error(`${name} does not run`);
  return pid;
}

/** PostgreSQL takes what the primary sends in a process of its own. */
function withChildren(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return [pid, ...(children === '' ? [] : children.split(' ').map(Number))];
}

async function frozen(name: string, work: () => Promise<void>): Promise<void> {
  const pids = withChildren(pidOf(name));
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  try {
    await work();
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT');
  }
}

await t.test('rows are stored while a node of Kafka does nothing', async () => {
  await frozen('kafka-2', async () => {
    const before = await stored();
    await until('20 more rows', async () => (await stored()) >= before + 20, AGAIN_MS);
  });
});

await t.test('nothing is committed while the standby does nothing, and everything afterwards', async (t) => {
  await frozen('postgres-standby', async () => {
    // What the standby had received before may still be confirmed.
    await sleep(500);
    const before = await stored();
    await untilMore(rush, 20);
    t.equal(await stored(), before, 'an order that one disk alone knows is no order yet');
  });
  const before = await stored();
  await until('20 more rows', async () => (await stored()) >= before + 20, AGAIN_MS);
});

await t.test('a sale opens on the replica while its primary does nothing', async () => {
  const primary = `redis-primary-${1 + Math.floor((slotOf(`${SALE}:0`) * 3) / 16_384)}`;
  await frozen(primary, async () => {
    // Calls that the frozen node has taken hear of it before the promotion.
    await sleep(1_000);
    await untilMore(rush, 20);
  });
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
    const before = pidOf(name);
    process.kill(before, 'SIGKILL');
    await until(`${name} runs again`, async () => (info.pids[name] ?? before) !== before, AGAIN_MS);
    const rows = await stored();
    await untilMore(rush, 20);
    await until('20 more rows', async () => (await stored()) >= rows + 20, AGAIN_MS);
    t.ok(process.kill(pidOf(name), 0), 'by another process');
  });
}

await t.test('each buyer who was told 201 finds the order, and nothing is sold twice', async (t) => {
  await judgeRush(t, { client, engines, rush });
});
