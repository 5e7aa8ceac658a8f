/**
 * Runs a Redis Cluster of programs of this machine. The cluster has three primaries and a replica for each,
 * and is as durable as one Redis is.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startChild } from '../../machine/children.ts';
import type { Child } from '../../machine/children.ts';
import { engineEnv, untilReady } from '../engine.ts';
import { StackError } from '../../errors.ts';
import { makeFolder } from '../../machine/folders.ts';
import { ROOT } from '../../names.ts';
import { freePorts } from '../../machine/ports.ts';
import { run, tailOf } from '../../machine/programs.ts';
import { findRedisServer, probe, SETTINGS } from '../redis.ts';
import { makePassword } from '../../machine/secrets.ts';
import { ask } from '../wire.ts';
import type { Log } from '../../machine/progress.ts';

const PRIMARIES = 3;
const BOOTSTRAP = join(ROOT, 'k8s/components/redis-cluster/bootstrap.sh');
const READY_MS = 20_000;
const FORMED_MS = 60_000;

/**
 * The timeout is short, so that a test of a failover is short. A node that a busy machine lets wait for this
 * long is taken for dead, and its replica is promoted.
 */
const NODE_TIMEOUT_MS = 4_000;

export const CLUSTER_SETTINGS = [
  'cluster-enabled yes',
  'cluster-config-file nodes.conf',
  `cluster-node-timeout ${NODE_TIMEOUT_MS}`,
  // While one primary is lost, the sales on the others go on.
  'cluster-require-full-coverage no',
  'cluster-allow-replica-migration no',
  'repl-diskless-sync-delay 0',
];

export interface ClusterNode {
  url: string;
  port: number;
  busPort: number;
  /** The id is another one once the cluster is formed. */
  readId(): Promise<string>;
  /** Sends SIGKILL, as a crash would. The data stays. */
  kill(): Promise<void>;
  /** Starts a killed node again with the same data and the same URL. */
  restart(): Promise<void>;
  /** The process that runs now, or that ran last. */
  child(): Child;
  /** Pauses the node. The node does nothing any more, and its connections stay. */
  pause(): void;
  resume(): void;
  /**
   * Sends one inline command.
   * @returns the answer as it is on the wire.
   * @throws Error on an error of Redis.
   */
  command(text: string): Promise<string>;
}

export interface RedisCluster {
  origin: string;
  primaries: ClusterNode[];
  /** The replica at each place follows the primary at the same place. */
  replicas: ClusterNode[];
  stop(): Promise<void>;
}

/** An inline command ends where its answer does. A login before it answers with five bytes. */
async function send(url: string, text: string): Promise<string> {
  const login = '+OK\r\n';
  const { password } = new URL(url);
  const answer = await ask(url, `AUTH ${password}\r\n${text}\r\n`, (bytes) =>
    isWhole(bytes.toString().slice(login.length)),
  );
  const said = answer.toString().slice(login.length);
  if (said.startsWith('-')) throw new StackError('SECKILL_STACK_ENGINE', `${text}: ${said.slice(1).trim()}`);
  return said;
}

/** Whether the answer is complete. An answer is a line, a text of a given length, or a list of such texts. */
function isWhole(said: string): boolean {
  const list = /^\*(\d+)\r\n/.exec(said);
  let place = list?.[0].length ?? 0;
  for (let rest = Number(list?.[1] ?? 1); rest > 0; rest -= 1) {
    const text = /^\$(\d+)\r\n/.exec(said.slice(place));
    if (text === null) return said.slice(place).endsWith('\r\n');
    place += text[0].length + Number(text[1]) + 2;
    if (said.length < place) return false;
  }
  return true;
}

interface Started {
  node: ClusterNode;
  stop: () => Promise<void>;
}

async function startNode(command: string, folder: string, password: string): Promise<Started> {
  mkdirSync(folder, { mode: 0o700 });
  const [port, busPort] = (await freePorts(2)) as [number, number];
  const config = join(folder, 'redis.conf');
  const logFile = join(folder, 'redis.log');
  const own = [`port ${port}`, `cluster-port ${busPort}`, `dir ${folder}`];
  const passwords = [`requirepass ${password}`, `masterauth ${password}`];
  const lines = ['bind 127.0.0.1', ...own, ...passwords, ...SETTINGS, ...CLUSTER_SETTINGS];
  writeFileSync(config, `${lines.join('\n')}\n`, { mode: 0o600 });
  const url = `redis://:${password}@127.0.0.1:${port}`;
  let child: Child;
  const launch = async (): Promise<void> => {
    const output = { file: logFile };
    child = await startChild({
      ...{ name: 'redis', command, args: [config], env: engineEnv(), cwd: folder },
      output,
    });
    await untilReady({ name: 'redis', probe }, { url, child }, logFile, READY_MS);
  };
  await launch();
  const node = {
    url,
    port,
    busPort,
    readId: async () => (await send(url, 'CLUSTER MYID')).split('\r\n')[1] ?? '',
    kill: async () => {
      child.killGroup('SIGKILL');
      await child.exited;
    },
    restart: launch,
    child: () => child,
    pause: () => {
      child.kill('SIGSTOP');
    },
    resume: () => {
      child.kill('SIGCONT');
    },
    command: (text: string) => send(url, text),
  };
  return { node, stop: () => child.stop() };
}

/** Forms the cluster as the Job of the manifests does. @throws StackError with what the script said. */
export async function formRedisCluster(nodes: ClusterNode[]): Promise<string> {
  const password = decodeURIComponent(new URL(nodes[0]?.url ?? '').password);
  const names = nodes.map(({ port, busPort }) => `127.0.0.1:${port}:${busPort}`);
  const { ok, stdout, stderr } = await run('sh', [BOOTSTRAP, ...names], {
    timeoutMs: FORMED_MS,
    env: engineEnv({ REDISCLI_AUTH: password }),
  });
  if (!ok) throw new StackError('SECKILL_STACK_ENGINE', `redis cluster: ${tailOf(stdout + stderr)}`);
  return stdout;
}

/** Starts a cluster. @throws StackError as `startEngines` does. */
export async function startRedisCluster(
  name: string,
  { isFormed = true, log = () => undefined }: { isFormed?: boolean; log?: Log } = {},
): Promise<RedisCluster> {
  const { command, origin } = await findRedisServer(log);
  const folder = makeFolder(name);
  const password = makePassword();
  const started: Started[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((one) => one.stop()));
    folder.remove();
  };
  try {
    for (let index = 0; index < 2 * PRIMARIES; index += 1) {
      started.push(await startNode(command, join(folder.path, `node-${index}`), password));
    }
    if (isFormed) await formRedisCluster(started.map(({ node }) => node));
  } catch (error) {
    await stop();
    throw error;
  }
  const nodes = started.map(({ node }) => node);
  const primaries = nodes.slice(0, PRIMARIES);
  const replicas = nodes.slice(PRIMARIES);
  return { origin, primaries, replicas: isFormed ? await pair(primaries, replicas) : replicas, stop };
}

/** Orders the replicas by the primaries that they follow. @throws StackError where one follows none. */
async function pair(primaries: ClusterNode[], replicas: ClusterNode[]): Promise<ClusterNode[]> {
  const byPort = new Map<number, ClusterNode>();
  for (const replica of replicas) byPort.set(await readPrimaryPort(replica), replica);
  return primaries.map(({ port }) => {
    const replica = byPort.get(port);
    if (replica === undefined)
      throw new StackError('SECKILL_STACK_ENGINE', `redis cluster: nobody follows the node at ${port}`);
    return replica;
  });
}

/** A replica that has just been told whom to follow does not say so at once. */
async function readPrimaryPort(replica: ClusterNode): Promise<number> {
  const deadline = performance.now() + READY_MS;
  for (;;) {
    const [, port] = /master_port:(\d+)/.exec(await replica.command('INFO replication')) ?? [];
    if (port !== undefined) return Number(port);
    if (performance.now() > deadline)
      throw new StackError(
        'SECKILL_STACK_ENGINE',
        `redis cluster: the node at ${replica.port} follows nobody`,
      );
    await sleep(100);
  }
}
