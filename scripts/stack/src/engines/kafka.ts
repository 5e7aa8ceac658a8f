/**
 * Runs Apache Kafka in KRaft mode. One node is broker and controller. Every message is flushed before it is
 * confirmed.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Kafka, logLevel } from 'kafkajs';
import { cached, fillCache } from '../machine/cache.ts';
import { startChild } from '../machine/children.ts';
import { engineEnv, untilReady } from './engine.ts';
import type { EngineKind, StartContext, Program } from './engine.ts';
import { StackError } from '../errors.ts';
import { canInstallPackages, installPackages } from '../machine/install.ts';
import { fromArchive, keepArchive, toArchive } from './kafka-classes.ts';
import { findMock } from './mock-kafka.ts';
import { freePorts } from '../machine/ports.ts';
import { findProgram, run, tailOf } from '../machine/programs.ts';
import { type Log, withProgress } from '../machine/progress.ts';

const FILES = fileURLToPath(new URL('../../kafka', import.meta.url));

/** Kafka 4 brokers need Java 17 (kafka.apache.org/40/getting-started/compatibility). */
const JAVA_MIN = 17;

const READY_MS = 60_000;

const MAVEN_MS = 10 * 60_000;

/** This heap is plenty for tests and a demo on a laptop. A real deployment sizes its own. */
const HEAP = ['-Xms128m', '-Xmx512m'];

/**
 * Java compiles quickly and never thoroughly. A broker of ours lives for a minute, and the thorough compiler
 * takes longer than its code saves in that time. Measured on two busy cores, processor time of a broker until
 * it is ready, and after two loads of ten seconds: 3.2 and 6.2 s, where Java's own choice takes 5.6 and 10.6.
 */
const QUICK = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];

function settings(port: number, controllerPort: number, data: string): Record<string, string> {
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': data,
    ...DURABLE,
  };
}

const DURABLE = {
  'controller.listener.names': 'CONTROLLER',
  'inter.broker.listener.name': 'PLAINTEXT',
  'log.flush.interval.messages': '1',
  'auto.create.topics.enable': 'false',
  'default.replication.factor': '1',
  'min.insync.replicas': '1',
  'offsets.topic.replication.factor': '1',
  // The default is 50 partitions. Each is a folder, and an election at the first consumer's start.
  'offsets.topic.num.partitions': '4',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'group.initial.rebalance.delay.ms': '0',
};

async function probe(url: string): Promise<void> {
  const kafka = new Kafka({
    clientId: 'seckill-stack',
    brokers: url.split(','),
    logLevel: logLevel.NOTHING,
    connectionTimeout: 1_000,
    requestTimeout: 3_000,
    retry: { retries: 0 },
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    const { brokers, controller } = await admin.describeCluster();
    // A broker that still registers names no controller. Such a broker would refuse to create a topic.
    if (brokers.length === 0 || controller === null) throw new Error('no broker registered yet');
  } finally {
    await admin.disconnect();
  }
}

async function findJava(): Promise<string | undefined> {
  const home = process.env['JAVA_HOME'];
  const inHome = home === undefined ? undefined : join(home, 'bin', 'java');
  for (const java of [inHome, findProgram('java')]) {
    if (java === undefined || !existsSync(java)) continue;
    const { stderr } = await run(java, ['-version'], { timeoutMs: 10_000 });
    if (Number(/version "(\d+)/.exec(stderr)?.[1]) >= JAVA_MIN) return java;
  }
  return undefined;
}

/** Reads Kafka's version in a folder of jars. The result is undefined when there is no broker 4 or newer. */
function brokerVersion(jars: string): string | undefined {
  if (!existsSync(jars)) return undefined;
  const jar = readdirSync(jars).find((file) => /^kafka_2\.\d+-[4-9]\.\d+\.\d+\.jar$/.test(file));
  return jar === undefined ? undefined : /-(\d+\.\d+\.\d+)\.jar$/.exec(jar)?.[1];
}

/** What a node is to have beside, or instead of, the settings of our nodes. */
export interface Extension {
  settings: Record<string, string>;
  /** Undefined: a cluster of its own. */
  clusterId?: string;
  /** That of the plain listener, where the settings name another than ours. */
  port?: number;
  /** Further arguments of `kafka-storage format`. `java` holds further arguments of the node's Java. */
  format: string[];
  java: string[];
}

/**
 * Gives the extension for one attempt. The function is asked for each attempt, which has ports of its own,
 * with the settings so far.
 */
export type Extend = (settings: Record<string, string>, folder: string) => Promise<Extension>;

const asItIs: Extend = async () => ({ settings: {}, format: [], java: [] });

async function prepare(
  java: string,
  jars: string,
  { folder, logFile }: StartContext,
  extend: Extend,
): Promise<Awaited<ReturnType<Program['prepare']>>> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const [port, controllerPort] = (await freePorts(2)) as [number, number];
  const config = join(folder, 'server.properties');
  const ours = settings(port, controllerPort, join(folder, 'data'));
  const more = await extend(ours, folder);
  const all = { ...ours, ...more.settings };
  const lines = Object.entries(all).map(([key, value]) => `${key}=${value}`);
  writeFileSync(config, `${lines.join('\n')}\n`, { mode: 0o600 });
  const common = [`-Dlog4j2.configurationFile=${join(FILES, 'log4j2.properties')}`, '-cp', join(jars, '*')];
  const clusterId = more.clusterId ?? randomBytes(16).toString('base64url');
  // The option and its id are one word, because an id may begin with a dash and would be read as the next
  // option.
  const format = [
    'kafka.tools.StorageTool',
    'format',
    `--cluster-id=${clusterId}`,
    '--config',
    config,
  ].concat(more.format);
  const archived = fromArchive(java, jars);
  const archive = archived.length === 0 ? toArchive(folder) : archived;
  const formatted = await run(java, [...QUICK, ...archive, ...common, ...format], {
    timeoutMs: 60_000,
    env: engineEnv(),
    cwd: folder,
  });
  if (!formatted.ok) {
    throw new StackError('SECKILL_STACK_ENGINE', `kafka storage format failed:\n${tailOf(formatted.stderr)}`);
  }
  if (archived.length === 0) await keepArchive(java, jars, folder);
  const url = `127.0.0.1:${more.port ?? port}`;
  return {
    async launch() {
      const child = await startChild({
        name: 'kafka',
        command: java,
        args: [
          ...[...HEAP, ...QUICK, '-Djava.awt.headless=true', ...archived, ...common, ...more.java],
          ...['kafka.Kafka', config],
        ],
        env: engineEnv(),
        cwd: folder,
        output: { file: logFile },
        stopMs: 10_000,
      });
      await untilReady({ name: 'kafka', probe }, { url, child }, logFile, READY_MS);
      return { url, child };
    },
  };
}

/** The version that pom.xml asks for. The jars lie in the cache under the name of that version. */
function wantedVersion(): string {
  const version = /<artifactId>kafka_2\.13<\/artifactId>\s*<version>([^<]+)</.exec(
    readFileSync(join(FILES, 'pom.xml'), 'utf8'),
  )?.[1];
  if (version === undefined)
    throw new StackError('SECKILL_STACK_ENGINE', 'kafka/pom.xml names no kafka_2.13');
  return version;
}

async function find(extend: Extend): Promise<Program | undefined> {
  const java = await findJava();
  if (java === undefined) return undefined;
  const home = process.env['KAFKA_HOME'];
  const places: [string | undefined, string][] = [
    [home === undefined ? undefined : join(home, 'libs'), 'local'],
    ['/opt/kafka/libs', 'local'],
    [cached(`kafka-${wantedVersion()}`), 'cached'],
  ];
  for (const [jars, origin] of places) {
    const version = jars === undefined ? undefined : brokerVersion(jars);
    if (jars === undefined || version === undefined) continue;
    return {
      origin: `${origin} kafka ${version}`,
      prepare: (context) => prepare(java, jars, context, extend),
    };
  }
  return undefined;
}

function downloadJars(maven: string, log: Log): Promise<string> {
  return fillCache(`kafka-${wantedVersion()}`, async (draft) => {
    // The Maven repository is our own. Two Mavens that fill one ~/.m2 at once can leave half a file in it.
    const repository = join(draft, 'repository');
    const args = [
      '-B',
      '-q',
      '-f',
      join(FILES, 'pom.xml'),
      'dependency:copy-dependencies',
      '-DincludeScope=runtime',
    ];
    const folders = [`-DoutputDirectory=${draft}`, `-Dmaven.repo.local=${repository}`];
    const task = run(maven, [...args, ...folders], { timeoutMs: MAVEN_MS, cwd: draft });
    const { ok, stdout, stderr } = await withProgress(`mvn: Kafka ${wantedVersion()} (40 MB)`, log, task);
    if (!ok) throw new StackError('SECKILL_STACK_INSTALL', `mvn failed:\n${tailOf(stdout + stderr)}`);
    rmSync(repository, { recursive: true, force: true });
  });
}

/** The folder of the broker's jars, from the cache or from Maven Central. @throws StackError without Maven */
export async function fetchKafkaJars(log: Log): Promise<string> {
  return cached(`kafka-${wantedVersion()}`) ?? downloadJars(findProgram('mvn') ?? 'mvn', log);
}

async function install(log: Log, extend: Extend): Promise<Program | undefined> {
  const missing = [
    ...((await findJava()) === undefined ? ['default-jre-headless'] : []),
    ...(findProgram('mvn') === undefined && cached(`kafka-${wantedVersion()}`) === undefined
      ? ['maven']
      : []),
  ];
  if (missing.length > 0 && canInstallPackages()) await installPackages(missing, log);
  const maven = findProgram('mvn');
  if (maven !== undefined && (await findJava()) !== undefined) {
    try {
      await downloadJars(maven, log);
    } catch (error) {
      log(String(error));
    }
  }
  const program = await find(extend);
  if (program !== undefined) return { ...program, origin: program.origin.replace('cached', 'installed') };
  return process.env['SECKILL_ALLOW_MOCK_KAFKA'] === '1' ? findMock(log) : undefined;
}

/** Finds Kafka as a program of this machine. The result is undefined where none can be had. */
export async function findKafka(log: Log, extend: Extend): Promise<Program | undefined> {
  const program = (await find(extend)) ?? (await install(log, extend));
  return program?.origin === 'mock' ? undefined : program;
}

export const kafka: EngineKind = {
  name: 'kafka',
  variable: 'KAFKA_BROKERS',
  find: () => find(asItIs),
  install: (log) => install(log, asItIs),
  async container() {
    const [port] = (await freePorts(1)) as [number];
    const inside = {
      ...settings(9092, 9093, '/tmp/kafka-data'),
      // Published ports reach the container's own address, never its loopback.
      listeners: 'PLAINTEXT://0.0.0.0:9092,CONTROLLER://127.0.0.1:9093',
      'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    };
    const variables = Object.entries(inside).map(([key, value]) => [
      `KAFKA_${key.replaceAll('.', '_').toUpperCase()}`,
      value,
    ]);
    return {
      port: 9092,
      env: {
        ...(Object.fromEntries(variables) as Record<string, string>),
        KAFKA_HEAP_OPTS: HEAP.join(' '),
      },
      command: 'exec /etc/kafka/docker/run',
      url: `127.0.0.1:${port}`,
    };
  },
  probe,
  advice:
    'Java >= 17 and Maven, which fetches the broker (Debian: apt-get install default-jre-headless maven), or KAFKA_HOME of a Kafka 4',
};
