// Goal: docker-compose.cluster.yml laid over docker-compose.yml is the whole system on engines of several
// nodes: each is as many as it says, it sells as the contract says, goes on while a node of each engine is
// killed, and stands again after all of its containers started anew (INV-1 to INV-6). Needs a Docker engine.
// Method: a project and secrets of its own on free ports; the crowd of the cluster test, in the network of
// the containers, because Redis' nodes tell addresses of that network; the crowd's own audit.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TOPICS } from '@seckill/contracts';
import { createKafka } from '@seckill/runtime';
import { ROOT, run } from '@seckill/stack';
import { silent } from '@seckill/testing';
import t from 'tap';
import type { CrowdOrder, CrowdVerdict } from '../../k8s/test/crowd-verdict.ts';
import { until } from '../support/stack.ts';
import { findCompose, MISSING, startProject, UP_MS, type Project } from './project.ts';

const SEED = Number(process.env['SECKILL_SEED'] ?? Date.now() % 1_000_000);
const FILES = ['docker-compose.yml', 'docker-compose.cluster.yml'];
const CROWD_MS = 20 * 60_000;
/** A container that starts again is of use within this time on two cores that sell meanwhile. */
const AGAIN_MS = 180_000;
/** So many more buyers are told 201 after each fault. */
const MORE = 20;
/** One of each kind. Docker starts none of them again by itself, because a person killed it. */
const KILLED = ['redis', 'redis-2', 'kafka-2', 'postgres-standby'];

const compose = await findCompose();

function ask({ call }: Project, service: string, command: string): string {
  return call('exec', '-T', service, 'sh', '-c', command);
}

const askRedis = (project: Project, command: string): string =>
  ask(project, 'redis-3', `REDISCLI_AUTH="$REDIS_PASSWORD" valkey-cli ${command}`);

const askPostgres = (project: Project, query: string): string =>
  ask(project, 'postgres', `psql -U seckill -At -c "${query}"`).trim();

/** Sends a crowd from the network of the containers. @throws Error with what it said without a verdict. */
async function send({ name, env, folder }: Project, stopFile?: string): Promise<CrowdVerdict> {
  const order: CrowdOrder = {
    gateway: 'http://gateway:8080',
    redis: `redis://:${env['REDIS_PASSWORD'] ?? ''}@redis:6379`,
    isRedisCluster: true,
    kafka: 'kafka:19092,kafka-2:19092,kafka-3:19092',
    postgres: `postgres://seckill:${env['POSTGRES_PASSWORD'] ?? ''}@postgres:5432/seckill`,
    jwtSecret: env['JWT_SECRET'] ?? '',
    webhookSecret: env['WEBHOOK_SECRETS'] ?? '',
    seed: SEED,
    ...(stopFile === undefined ? {} : { stopFile }),
  };
  const user = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
  const places = [ROOT, folder].flatMap((place) => ['--volume', `${place}:${place}`]);
  const options = [
    '--rm',
    '--interactive',
    '--network',
    `${name}_default`,
    '--user',
    user,
    '--workdir',
    ROOT,
  ];
  const words = ['--conditions=seckill-source', '--import=./test/runner/register.js'];
  const { stdout, stderr } = await run(
    'docker',
    [
      ...['run', ...options, ...places, process.env['SECKILL_IMAGE'] ?? 'seckill:dev'],
      ...[...words, 'k8s/test/cluster-crowd.ts'],
    ],
    { timeoutMs: CROWD_MS, stdin: JSON.stringify(order) },
  );
  const last = stdout.trim().split('\n').at(-1) ?? '';
  if (!last.startsWith('{')) throw new Error(`the crowd gave no verdict: ${stdout}${stderr}`);
  return JSON.parse(last) as CrowdVerdict;
}

await t.test(
  `a sale on engines of several nodes through docker compose (seed ${SEED})`,
  { skip: compose === undefined ? MISSING : false, timeout: UP_MS + 2 * CROWD_MS },
  async (t) => {
    if (compose === undefined) return;
    const begun = performance.now();
    const project = await startProject(t, compose, FILES);
    const tell = (what: string): void => {
      t.comment(`${what}: ${((performance.now() - begun) / 1000).toFixed(0)} s after the first \`up\``);
    };
    tell('the gateway is ready');

    await t.test('the engines are what they say', async (t) => {
      const slots = askRedis(project, 'cluster info');
      for (const fact of ['cluster_state:ok', 'cluster_known_nodes:6', 'cluster_size:3'])
        t.match(slots, fact);
      const nodes = askRedis(project, 'cluster nodes').split('\n');
      const followed = nodes.filter((line) => line.includes('slave')).map((line) => line.split(' ')[3]);
      t.equal(new Set(followed).size, 3, 'a replica for each primary');
      const standbys = 'SELECT application_name, sync_state FROM pg_stat_replication';
      t.equal(askPostgres(project, standbys), 'standby|sync');
      const lost = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'standby' AND active";
      t.equal(askPostgres(project, lost), '1', 'what a standby misses is kept');
      // Each node is also reached from this machine.
      const brokers = ['KAFKA_PORT', 'KAFKA_2_PORT', 'KAFKA_3_PORT'].map(
        (name) => `127.0.0.1:${project.env[name] ?? ''}`,
      );
      const admin = createKafka({ brokers }, 'compose-test', silent).admin();
      await admin.connect();
      const names = Object.values(TOPICS).map(({ name }) => name);
      const { topics } = await admin.fetchTopicMetadata({ topics: names });
      const { brokers: members } = await admin.describeCluster();
      await admin.disconnect();
      t.same(members.map(({ host, port }) => `${host}:${port}`).sort(), brokers.sort());
      const inSync = topics.flatMap(({ partitions }) => partitions.map(({ isr }) => isr.length));
      t.ok(inSync.length > 12);
      t.same([...new Set(inSync)], [3], 'each partition is on three nodes');
    });

    await t.test('2,000 oranges and 1,000 mangoes are sold', async (t) => {
      const { findings, odd, figures } = await send(project);
      t.same([...findings, ...odd], [], 'every invariant holds');
      t.match(figures, { promised: Number, paid: 3_000 }, 'every unit was paid');
      t.comment(JSON.stringify(figures));
      tell('the crowd has gone');
    });

    await t.test('a sale goes on while a node of each engine is killed, and all start again', async (t) => {
      const stopFile = join(project.folder, 'stop');
      const verdict = send(project, stopFile);
      // Nobody waits for it before the faults are over.
      verdict.catch(() => undefined);
      const promised = (): number => {
        const file = `${stopFile}.promised`;
        return existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
      };
      const sellsOn = async (what: string): Promise<void> => {
        const wanted = promised() + MORE;
        await until(`${what}: ${MORE} more are sold`, () => promised() >= wanted, AGAIN_MS);
        tell(what);
      };
      await sellsOn('the rush is on');
      for (const service of KILLED) {
        project.call('kill', '--signal', 'SIGKILL', service);
        // Without its standby PostgreSQL stores nothing; Redis and Kafka go on.
        await sellsOn(`${service} is dead`);
        project.call('start', service);
        await sellsOn(`${service} is back`);
      }
      // In another order, in which a node without an address of its own would get that of another.
      const redis = ['redis', 'redis-2', 'redis-3', 'redis-4', 'redis-5', 'redis-6'];
      project.call('stop', ...redis, 'kafka', 'kafka-2', 'kafka-3', 'postgres', 'postgres-standby');
      for (const service of redis.toReversed()) project.call('start', service);
      project.call('start', 'postgres', 'postgres-standby', 'kafka', 'kafka-2', 'kafka-3');
      await sellsOn('every node has started again');
      // All six are seen, also by one whose neighbours started in another order than at first.
      await until(
        'every node of Redis is found again',
        () => !/noaddr|fail|disconnected|:0@0/.test(askRedis(project, 'cluster nodes')),
        AGAIN_MS,
      );
      writeFileSync(stopFile, '');
      const { findings, odd, figures } = await verdict;
      t.same([...findings, ...odd], [], 'every invariant holds, and every answer was one of the contract');
      t.comment(JSON.stringify(figures));
      tell('judged');
    });

    await t.test('a second `up` changes nothing, and no secret is logged', (t) => {
      const nodes = askRedis(project, 'cluster myid');
      project.call('up', '--detach');
      t.match(project.call('logs', '--no-color', 'redis-cluster'), /redis-cluster: stands\s*$/);
      t.equal(askRedis(project, 'cluster myid'), nodes);
      t.match(askRedis(project, 'cluster info'), 'cluster_state:ok');
      t.same(project.leaks(), []);
      t.end();
    });
  },
);
