/**
 * What the test of Kafka's users runs on: the production overlay, a secure Kafka, Redis, PostgreSQL, and a
 * node for its pods.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TOPICS } from '@seckill/contracts';
import { createKafka, createLogger, type Kafka } from '@seckill/runtime';
import {
  findKubernetesTools,
  freePorts,
  ROOT,
  run,
  signToken,
  startEngines,
  type Outcome,
} from '@seckill/stack';
import { untilWithin } from '@seckill/testing';
import pg from 'pg';
import tap, { test } from 'tap';
import { kafkaUsersOf, type KafkaUser } from './kafka-policy.ts';
import type { Node, Pod } from './pods.ts';
import { copyManifests, renderAll, type Resource } from './render.ts';
import { startSecureKafka } from './secure-kafka.ts';
import { workloadsOf, type Workload } from './workload.ts';

export const SALE = 'acl-sale';
export const logger = createLogger('kafka-users', 'silent');

/** The command of docs/operating/kafka-users.md, for a Kafka without an operator that makes the topics. */
const TOPICS_USER: KafkaUser = {
  metadata: { name: 'topics' },
  spec: {
    authorization: {
      type: 'simple',
      acls: Object.values(TOPICS).map(({ name }) => ({
        resource: { type: 'topic', name },
        operations: ['Create', 'Describe'],
      })),
    },
  },
};

async function renderProduction(): Promise<Resource[]> {
  const copy = copyManifests();
  try {
    const { overlays } = await renderAll((await findKubernetesTools()).kubectl, copy.folder, []);
    return overlays.find(({ name }) => name === 'overlay production')?.resources ?? [];
  } finally {
    copy.remove();
  }
}

export const resources = await renderProduction();
export const users = [...kafkaUsersOf(resources), TOPICS_USER];
export const folder = mkdtempSync(join(tmpdir(), 'seckill-pods-'));
const [found, engines] = await Promise.all([
  startSecureKafka('kafka-users', users),
  startEngines({ name: `kafka-users-${process.pid}`, only: ['redis', 'postgres'] }),
]);
if (found === undefined) {
  await engines.stop();
  await test(
    'users of Kafka',
    { skip: 'no Kafka or no openssl can be had on this machine' },
    () => undefined,
  );
  process.exit(0);
}
export const secure = found;
const [stockPort, orderPort] = (await freePorts(2)) as [number, number];

const secretOf = (): string => randomBytes(32).toString('base64url');
export const node: Node = {
  folder,
  resources,
  ports: { 'stock-http': stockPort, 'order-http': orderPort },
  addresses: {
    KAFKA_BROKERS: secure.brokers,
    STOCK_URL: `http://127.0.0.1:${stockPort}`,
    ORDER_URL: `http://127.0.0.1:${orderPort}`,
  },
  secrets: {
    seckill: {
      REDIS_URL: engines.redis,
      CONTACT_KEY: randomBytes(32).toString('base64'),
      WEBHOOK_SECRETS: `whsec_${randomBytes(32).toString('base64')}`,
      ...{
        JWT_SECRET: secretOf(),
        GATEWAY_TOKEN: secretOf(),
        ORDER_TOKEN: secretOf(),
        STOCK_TOKEN: secretOf(),
      },
    },
    'postgres-app': { uri: engines.postgres },
    'kafka-cluster-ca-cert': { 'ca.crt': secure.ca },
    ...Object.fromEntries(Object.entries(secure.passwords).map(([user, password]) => [user, { password }])),
  },
};
export const pods = new Map<string, Pod>();
export const postgres = new pg.Pool({ connectionString: engines.postgres, max: 1 });

tap.teardown(async () => {
  await Promise.all([...pods.values()].map(({ child }) => child.stop()));
  await postgres.end();
  await Promise.all([secure.stop(), engines.stop()]);
  rmSync(folder, { recursive: true });
});

export function workloadOf(name: string): Workload {
  const workload = workloadsOf(resources).find((one) => one.name === name);
  if (workload === undefined) throw new Error(`no workload ${name}`);
  return workload;
}

export function runFile(file: string, args: string[], env: NodeJS.ProcessEnv): Promise<Outcome> {
  return run(process.execPath, [join(ROOT, file), ...args], { timeoutMs: 90_000, env });
}

/**
 * Runs a program whose standard input is a pipe, as `kubectl exec -i` gives it. Node.js would give it a
 * socket, which cannot be opened by its path.
 */
export function runPiped(
  file: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  stdin: string,
): Promise<Outcome> {
  const command = ['-c', 'cat | "$@"', 'sh', process.execPath, join(ROOT, file), ...args];
  return run('/bin/sh', command, { timeoutMs: 90_000, env, stdin });
}

/** A client like a deployment's, for the user of this name and password. */
export function kafkaOf(username: string, password = secure.passwords[username] ?? ''): Kafka {
  const settings = { brokers: [secure.brokers], ca: secure.ca, user: { username, password } };
  return createKafka(settings, 'kafka-users', logger);
}

export async function withAdmin<Result>(
  kafka: Kafka,
  ask: (admin: ReturnType<Kafka['admin']>) => Promise<Result>,
): Promise<Result> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    return await ask(admin);
  } finally {
    await admin.disconnect();
  }
}

export async function publish(kafka: Kafka, topic: string, value: string): Promise<void> {
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  try {
    await producer.connect();
    await producer.send({ topic, messages: [{ key: 'k', value, partition: 0 }] });
  } finally {
    await producer.disconnect();
  }
}

export const until = untilWithin(60_000);

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

export async function call(method: string, path: string, who: string, body?: unknown): Promise<Answer> {
  const secret = node.secrets['seckill']?.['JWT_SECRET'] ?? '';
  const token = await signToken(secret, { userId: who, isOperator: who === 'admin' });
  const response = await fetch(`${pods.get('gateway')?.url ?? ''}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      'idempotency-key': `${who}-1`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

export async function readAvailable(): Promise<unknown> {
  const { body } = await call('GET', `/v1/sales/${SALE}`, 'admin');
  return (body['items'] as { available: number }[] | undefined)?.[0]?.available;
}

/** Each user reserves under one key, so that a 503 can be repeated. */
export async function reserve(who: string): Promise<string> {
  const lines = [{ sku: 'a', quantity: 1 }];
  let id: unknown;
  await until(`${who} reserved`, async () => {
    const { status, body } = await call('POST', `/v1/sales/${SALE}/reservations`, who, { lines });
    id = body['id'];
    return status === 201;
  });
  return String(id);
}

export const isStored = async (id: string): Promise<boolean> =>
  (await postgres.query('SELECT FROM orders WHERE id = $1', [id])).rowCount === 1;
