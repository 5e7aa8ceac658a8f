// Goal: the script that forms a Redis Cluster in Kubernetes makes one of six empty nodes, may be repeated at
// any time, and never touches data that it does not understand. Method: the script itself, on six real nodes.
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import {
  formRedisCluster,
  startRedisCluster,
  type ClusterNode,
} from '../../../src/engines/cluster/redis-cluster.ts';

t.setTimeout(120_000);
const cluster = await startRedisCluster(`form-${process.pid}`, { isFormed: false });
t.teardown(() => cluster.stop());
const nodes = [...cluster.primaries, ...cluster.replicas];
const [first, second] = nodes as [ClusterNode, ClusterNode];

const view = async (): Promise<string[]> => {
  const said = await first.command('CLUSTER NODES');
  return said
    .split('\n')
    .slice(1, 7)
    .map((line) =>
      line
        .split(' ')
        .filter((_word, index) => [0, 3, 8].includes(index))
        .join(' '),
    )
    .sort();
};

await t.test('nodes with data and without a whole cluster are left alone', async (t) => {
  await first.command('CLUSTER ADDSLOTSRANGE 0 16000');
  // A node waits for some seconds before it takes writes.
  const isSet = () => first.command('SET {a} 1').catch(() => '');
  while (!(await isSet()).startsWith('+OK')) await sleep(50);
  await t.rejects(formRedisCluster(nodes), /holds keys, and there is no whole cluster/);
  t.match(await first.command('GET {a}'), '1');
});

await t.test('a cluster that was left half made is completed; a repeat changes nothing', async (t) => {
  await first.command('FLUSHALL');
  t.match(await formRedisCluster(nodes), 'made of');
  const before = await view();
  t.equal(before.filter((line) => /-/.test(line.split(' ')[2] ?? '')).length, 3, 'three serve slots');
  t.equal(new Set(before.map((line) => line.split(' ')[1])).size, 4, 'each of them has one replica');
  t.equal(await formRedisCluster(nodes), 'redis-cluster: stands\n');
  t.same(await view(), before);
});

await t.test('a replica that lost its disk replicates again', async (t) => {
  const replicas = await Promise.all(
    nodes.map(async (node) => ({ node, said: await node.command('INFO replication') })),
  );
  const lost = replicas.find(({ said }) => /role:slave/.test(said))?.node ?? second;
  await lost.command('CLUSTER RESET HARD');
  t.match(await lost.command('INFO replication'), 'role:master');
  t.equal(await formRedisCluster(nodes), 'redis-cluster: stands\n');
  t.match(await lost.command('INFO replication'), 'role:slave');
});
