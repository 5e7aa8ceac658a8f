/**
 * Goal: the users and ACLs that the strimzi component ships are enough for a sale, and allow nothing else.
 * Method: the production overlay as kubectl renders it. Its KafkaUsers become users and ACLs of a real Kafka with TLS,
 * SCRAM-SHA-512 and the authorizer; its deployments run with the variables and mounted secrets that they have there, on a
 * real Redis and PostgreSQL; the authorizer's own log then tells which rules were used. Then everybody tries more.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { TOPICS } from '@seckill/contracts';
import {
  checkKafkaAccess,
  createKafka,
  createLogger,
  startConsumer,
  type Kafka,
  type KafkaSettings,
} from '@seckill/runtime';
import { freePorts, ROOT, run, signToken, startEngines, type Outcome } from '@seckill/stack';
import pg from 'pg';
import tap, { test } from 'tap';
import { kafkaUsersOf, type KafkaUser } from './kafka-policy.ts';
import { environmentOf, startPod, untilReady, type Node, type Pod } from './pods.ts';
import { copyManifests, renderAll, type Resource } from './render.ts';
import { startSecureKafka } from './secure-kafka.ts';
import { findTools } from './tools.ts';
import { workloadsOf, type Workload } from './workload.ts';

const SALE = 'acl-sale';
const logger = createLogger('kafka-users', 'silent');

/** For a Kafka without an operator that makes the topics: docs/operating.md, "Kafka's users". */
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
    const { overlays } = await renderAll((await findTools()).kubectl, copy.folder, []);
    return overlays.find(({ name }) => name === 'overlay production')?.resources ?? [];
  } finally {
    copy.remove();
  }
}

const resources = await renderProduction();
const users = [...kafkaUsersOf(resources), TOPICS_USER];
const folder = mkdtempSync(join(tmpdir(), 'seckill-pods-'));
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
const secure = found;
const [stockPort, orderPort] = (await freePorts(2)) as [number, number];

const secretOf = (): string => randomBytes(32).toString('base64url');
const node: Node = {
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
const pods = new Map<string, Pod>();
const postgres = new pg.Pool({ connectionString: engines.postgres, max: 1 });

tap.teardown(async () => {
  await Promise.all([...pods.values()].map(({ child }) => child.stop()));
  await postgres.end();
  await Promise.all([secure.stop(), engines.stop()]);
  rmSync(folder, { recursive: true });
});

function workloadOf(name: string): Workload {
  const workload = workloadsOf(resources).find((one) => one.name === name);
  if (workload === undefined) throw new Error(`no workload ${name}`);
  return workload;
}

function runFile(file: string, args: string[], env: NodeJS.ProcessEnv): Promise<Outcome> {
  return run(process.execPath, [join(ROOT, file), ...args], { timeoutMs: 90_000, env });
}

/** With standard input by a pipe, as `kubectl exec -i` gives it; ours would be a socket, which cannot be opened by its path. */
function runPiped(file: string, args: string[], env: NodeJS.ProcessEnv, stdin: string): Promise<Outcome> {
  const command = ['-c', 'cat | "$@"', 'sh', process.execPath, join(ROOT, file), ...args];
  return run('/bin/sh', command, { timeoutMs: 90_000, env, stdin });
}

/** A client as a deployment's, for whoever has the password. */
function kafkaOf(username: string, password = secure.passwords[username] ?? ''): Kafka {
  const settings = { brokers: [secure.brokers], ca: secure.ca, user: { username, password } };
  return createKafka(settings, 'kafka-users', logger);
}

async function withAdmin<Result>(
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

async function publish(kafka: Kafka, topic: string, value: string): Promise<void> {
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  try {
    await producer.connect();
    await producer.send({ topic, messages: [{ key: 'k', value, partition: 0 }] });
  } finally {
    await producer.disconnect();
  }
}

async function until(what: string, condition: () => Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

async function call(method: string, path: string, who: string, body?: unknown): Promise<Answer> {
  const secret = node.secrets['seckill']?.['JWT_SECRET'] ?? '';
  const token = await signToken(secret, { userId: who, isAdmin: who === 'admin' });
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

async function readAvailable(): Promise<unknown> {
  const { body } = await call('GET', `/v1/sales/${SALE}`, 'admin');
  return (body['items'] as { available: number }[] | undefined)?.[0]?.available;
}

async function reserve(who: string): Promise<string> {
  const lines = [{ sku: 'a', quantity: 1 }];
  const { status, body } = await call('POST', `/v1/sales/${SALE}/reservations`, who, { lines });
  if (status !== 201) throw new Error(`reserve answered ${status} ${JSON.stringify(body)}`);
  return String(body['id']);
}

const isStored = async (id: string): Promise<boolean> =>
  (await postgres.query('SELECT FROM orders WHERE id = $1', [id])).rowCount === 1;

await test('the topics job makes the topics as a user who may create and describe these three', async (t) => {
  const files = await environmentOf(node, workloadOf('order-relay'));
  const env = {
    PATH: process.env['PATH'],
    KAFKA_BROKERS: secure.brokers,
    KAFKA_TLS_CA_FILE: files['KAFKA_TLS_CA_FILE'],
    KAFKA_SASL_USERNAME: 'topics',
    KAFKA_SASL_PASSWORD: secure.passwords['topics'],
  };
  const { stdout, stderr, ok } = await runFile('services/order/dist/topics.js', [], env);
  t.ok(ok, stderr);
  for (const { name } of Object.values(TOPICS)) t.match(stdout, name);
});

await test('every deployment gets ready with the secrets that it mounts', async (t) => {
  mkdirSync(folder, { recursive: true });
  const migrate = workloadOf('migrate');
  const migrated = await runFile('services/order/dist/migrate.js', [], await environmentOf(node, migrate));
  t.ok(migrated.ok, migrated.stderr);
  const deployments = workloadsOf(resources).filter(
    ({ main, kind }) => main.name === 'seckill' && kind !== 'Job',
  );
  t.equal(deployments.length, 9);
  // A first look at the sale without waiting for half a minute.
  const quick = { AUDIT_INTERVAL_MS: '500' };
  for (const workload of deployments) pods.set(workload.name, await startPod(node, workload, quick));
  await Promise.all([...pods.values()].map((pod) => untilReady(pod, node)));
});

await test('a sale goes its whole way: reserved, stored, cancelled, for sale again, audited', async (t) => {
  const sale = {
    id: SALE,
    title: 'Sale',
    closesAt: new Date(Date.now() + 600_000).toISOString(),
    items: [{ sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total: 10 }],
  };
  const created = await call('POST', '/v1/sales', 'admin', sale);
  t.ok([200, 201, 503].includes(created.status), JSON.stringify(created));
  await until(
    'the sale is open',
    async () => (await call('GET', `/v1/sales/${SALE}`, 'admin')).body['state'] === 'open',
  );
  const [kept, cancelled] = [await reserve('u1'), await reserve('u2')];
  await until('both are stored', async () => (await isStored(kept)) && (await isStored(cancelled)));
  t.equal((await call('POST', `/v1/orders/${cancelled}/cancel`, 'u2')).status, 200);
  await until('the unit is for sale again', async () => (await readAvailable()) === 9);
  await until('the audit holds', async () => {
    const { body } = await call('GET', `/v1/sales/${SALE}/audit`, 'admin');
    return body['verdict'] === 'holds';
  });
  await until('the role audit has judged it', async () => {
    const response = await fetch(pods.get('stock-audit')?.metricsUrl ?? '');
    return /seckill_stock_audit_sales_total [1-9]/.test(await response.text());
  });
});

await test('what cannot be understood is parked, and a person replays it as a user of their own', async (t) => {
  const plain = createKafka({ brokers: [secure.plain] }, 'kafka-users', logger);
  for (const topic of [TOPICS.reservations, TOPICS.settlements]) await publish(plain, topic.name, 'junk');
  const count = (): Promise<number> =>
    withAdmin(plain, async (admin) => {
      const places = await admin.fetchTopicOffsets(TOPICS.deadLetters.name);
      return places.reduce((sum, { high }) => sum + Number(high), 0);
    });
  await until('both are parked', async () => (await count()) === 2);
  // As in operating.md: in a pod that has the rest, with the password by standard input.
  const env = {
    ...pods.get('order-intake')?.env,
    KAFKA_SASL_USERNAME: 'dead-letters',
    KAFKA_SASL_PASSWORD_FILE: '/dev/stdin',
  };
  const file = 'services/order/dist/dead-letters.js';
  const password = secure.passwords['dead-letters'] ?? '';
  const replayed = await runPiped(file, ['replay', '--all'], env, password);
  t.match(replayed.stdout, /^replayed: \S+, \S+$/m, replayed.stderr);
  await until('both come back', async () => (await count()) === 4);
});

await test('the command rebuild, in a pod of stock, publishes again what order does not know', async (t) => {
  const id = await reserve('u3');
  await until('it is stored', () => isStored(id));
  // As after a PostgreSQL that was set back.
  await postgres.query('DELETE FROM orders WHERE id = $1', [id]);
  const env = pods.get('stock-http')?.env ?? {};
  const { ok, stdout, stderr } = await runFile('services/stock/dist/rebuild.js', [SALE], env);
  t.ok(ok, stdout + stderr);
  await until('it is stored again', () => isStored(id));
});

await test('KEDA reads the lag, and no messages', async (t) => {
  const keda = kafkaOf('keda');
  for (const [groupId, topic] of [
    ['seckill.intake', TOPICS.reservations.name],
    ['seckill.settler', TOPICS.settlements.name],
  ] as const) {
    const lag = await withAdmin(keda, async (admin) => [
      await admin.fetchTopicOffsets(topic),
      await admin.fetchOffsets({ groupId, topics: [topic] }),
    ]);
    t.equal(lag[0]?.length, 12);
  }
});

await test('no rule is granted that was not used', (t) => {
  const granted = users.flatMap(({ metadata, spec }) =>
    (spec.authorization?.acls ?? []).flatMap(({ resource, operations }) =>
      operations.map((one) => [metadata.name, resource.type, resource.name, one.toLowerCase()].join(' ')),
    ),
  );
  const used = secure.rulesUsed();
  t.ok(granted.length > 20);
  t.same(
    granted.filter((rule) => !used.has(rule)),
    [],
  );
  t.end();
});

const mayWrite = ({ spec }: KafkaUser, topic: string): boolean =>
  (spec.authorization?.acls ?? []).some(
    ({ resource, operations }) => resource.name === topic && operations.includes('Write'),
  );

const TOPIC_REFUSED = { message: /Topic authorization failed/ };

const isNamed = ({ spec }: KafkaUser, name: string): boolean =>
  (spec.authorization?.acls ?? []).some(({ resource }) => resource.name === name);

await test('no user writes to a topic, or asks for a topic or a group, that is not its own', async (t) => {
  for (const user of users) {
    const { name } = user.metadata;
    const kafka = kafkaOf(name);
    for (const topic of Object.values(TOPICS)) {
      if (!mayWrite(user, topic.name)) {
        await t.rejects(
          publish(kafka, topic.name, 'x'),
          TOPIC_REFUSED,
          `${name} does not write to ${topic.name}`,
        );
      }
      if (isNamed(user, topic.name)) continue;
      const ask = withAdmin(kafka, (admin) => admin.fetchTopicOffsets(topic.name));
      await t.rejects(ask, TOPIC_REFUSED, `${name} does not ask for ${topic.name}`);
    }
    for (const groupId of ['seckill.intake', 'seckill.settler']) {
      if (isNamed(user, groupId)) continue;
      const topics = [TOPICS.reservations.name];
      const ask = withAdmin(kafka, (admin) => admin.fetchOffsets({ groupId, topics }));
      await t.rejects(ask, `${name} does not ask for ${groupId}`);
    }
  }
  const create = withAdmin(kafkaOf('stock-http'), (admin) =>
    admin.createTopics({ topics: [{ topic: 'mine' }] }),
  );
  await t.rejects(create, 'stock-http creates no topic');
});

await test('who may ask for a group or a topic does not read it', async (t) => {
  const cases = [
    ['stock-audit', 'seckill.settler', TOPICS.settlements],
    ['order-relay', 'seckill.settler', TOPICS.settlements],
    ['keda', 'seckill.intake', TOPICS.reservations],
  ] as const;
  for (const [name, groupId, topic] of cases) {
    const crash = await new Promise<unknown>((resolve) => {
      const stopped = startConsumer({
        kafka: kafkaOf(name),
        groupId,
        topic,
        concurrency: 1,
        onBatch: async () => {
          resolve('read a batch');
        },
        onAssigned: () => {
          resolve('joined the group');
        },
        onCrash: resolve,
      });
      stopped.catch(resolve);
    });
    // kafkajs keeps the reason of a coordinator that it may not ask for to itself.
    t.match(crash, { message: /authorization|coordinator/i }, `${name} does not join ${groupId}`);
  }
});

await test('a wrong password or an unknown user never gets ready, says why, and its password is in no log', async (t) => {
  const wrong = randomBytes(24).toString('base64url');
  const bad = {
    ...node,
    folder: join(folder, 'bad'),
    secrets: { ...node.secrets, 'stock-relay': { password: wrong } },
  };
  mkdirSync(bad.folder);
  const refused = await Promise.all([
    startPod(bad, workloadOf('stock-relay')),
    startPod(bad, workloadOf('order-intake'), { KAFKA_SASL_USERNAME: 'nobody' }),
  ]);
  await Promise.all(
    refused.map(async (pod) => {
      await t.rejects(untilReady(pod, bad), /ended before it was ready/);
      t.equal((await pod.child.exited).code, 1);
      t.match(pod.log(), /kafka refuses us[^"]*SCRAM SHA512 authentication failed/);
      for (const password of [wrong, secure.passwords['order-intake'] ?? '']) t.notMatch(pod.log(), password);
    }),
  );
});

await test('neither does a client hear anything without TLS or a user, nor believe another authority', async (t) => {
  const { ca, brokers } = secure;
  const user = { username: 'stock-relay', password: secure.passwords['stock-relay'] ?? '' };
  const access = { brokers: [brokers], ca, user };
  const listTopics = (settings: KafkaSettings): Promise<string[]> =>
    withAdmin(createKafka(settings, 'kafka-users', logger), (admin) => admin.listTopics());
  t.same(await listTopics(access), [TOPICS.reservations.name], 'it hears of its own topic');
  await Promise.all([
    t.rejects(listTopics({ brokers: [brokers] }), { name: /^KafkaJS/ }, 'no TLS'),
    t.rejects(listTopics({ brokers: [brokers], ca }), { name: /^KafkaJS/ }, 'no user'),
    t.resolves(checkKafkaAccess(access, logger)),
    t.rejects(
      checkKafkaAccess({ ...access, ca: rootCertificates[0] ?? '' }, logger),
      { code: 'SECKILL_KAFKA_REFUSED' },
      'another authority',
    ),
  ]);
});
