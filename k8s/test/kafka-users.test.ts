/**
 * Goal: the users and ACLs that the strimzi component ships are enough for a sale, and allow nothing else.
 * Method: the production overlay as kubectl renders it. The overlay's KafkaUsers become users and ACLs of a
 * real Kafka with TLS, SCRAM-SHA-512 and the authorizer; its deployments run with the variables and mounted
 * secrets that they have there, on a real Redis and PostgreSQL; the authorizer's own log then tells which
 * rules were used. Then everybody tries more.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { TOPICS } from '@seckill/contracts';
import { checkKafkaAccess, createKafka, startConsumer, type KafkaSettings } from '@seckill/runtime';
import { test } from 'tap';
import type { KafkaUser } from './kafka-policy.ts';
import {
  call,
  folder,
  isStored,
  kafkaOf,
  logger,
  node,
  pods,
  postgres,
  publish,
  readAvailable,
  reserve,
  resources,
  runFile,
  runPiped,
  SALE,
  secure,
  until,
  users,
  withAdmin,
  workloadOf,
} from './kafka-rig.ts';
import { environmentOf, startPod, untilReady } from './pods.ts';
import { workloadsOf } from './workload.ts';

await test('the topics job makes the topics as a user who may create and describe these three', async (t) => {
  const files = await environmentOf(node, workloadOf('order-relay'));
  const env = {
    PATH: process.env['PATH'],
    KAFKA_BROKERS: secure.brokers,
    KAFKA_TLS_CA_FILE: files['KAFKA_TLS_CA_FILE'],
    KAFKA_SASL_USERNAME: 'topics',
    KAFKA_SASL_PASSWORD: secure.passwords['topics'],
  };
  const { stdout, stderr, ok } = await runFile('services/order/dist/commands/topics.js', [], env);
  t.ok(ok, stderr);
  for (const { name } of Object.values(TOPICS)) t.match(stdout, name);
});

await test('every deployment gets ready with the secrets that it mounts', async (t) => {
  const migrate = workloadOf('migrate');
  const migrated = await runFile(
    'services/order/dist/commands/migrate.js',
    [],
    await environmentOf(node, migrate),
  );
  t.ok(migrated.ok, migrated.stderr);
  const deployments = workloadsOf(resources).filter(
    ({ main, kind }) => main.name === 'seckill' && kind !== 'Job',
  );
  t.equal(deployments.length, 10);
  // The audit shall look at the sale soon, and not after half a minute.
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
  await until('u2 cancelled', async () => {
    return (await call('POST', `/v1/orders/${cancelled}/cancel`, 'u2')).status === 200;
  });
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

await test('a message that cannot be understood is parked, and a person replays it as a user of their own', async (t) => {
  const plain = createKafka({ brokers: [secure.plain] }, 'kafka-users', logger);
  for (const topic of [TOPICS.reservations, TOPICS.settlements]) await publish(plain, topic.name, 'junk');
  const count = (): Promise<number> =>
    withAdmin(plain, async (admin) => {
      const places = await admin.fetchTopicOffsets(TOPICS.deadLetters.name);
      return places.reduce((sum, { high }) => sum + Number(high), 0);
    });
  await until('both are parked', async () => (await count()) >= 2);
  // docs/operating/kafka-users.md tells how: in a pod that has everything else, with the password by standard
  // input.
  const env = {
    ...pods.get('order-intake')?.env,
    KAFKA_SASL_USERNAME: 'dead-letters',
    KAFKA_SASL_PASSWORD_FILE: '/dev/stdin',
  };
  const file = 'services/order/dist/commands/dead-letters.js';
  const password = secure.passwords['dead-letters'] ?? '';
  const replayed = await runPiped(file, ['replay', '--all'], env, password);
  t.match(replayed.stdout, /^replayed: \S+, \S+/, replayed.stderr);
  await until('both come back', async () => (await count()) >= 4);
  // An operator does the same over HTTP; order-http is a user of its own.
  const { data } = (await call('GET', '/v1/dead-letters', 'admin')).body as { data: { id: string }[] };
  t.equal(data.length, 2);
  for (const { id } of data)
    t.equal((await call('POST', `/v1/dead-letters/${id}/replay`, 'admin')).status, 200);
  await until('both come back again', async () => (await count()) >= 6);
});

await test('the command rebuild, in a pod of stock, publishes again what order does not know', async (t) => {
  const id = await reserve('u3');
  await until('it is stored', () => isStored(id));
  // PostgreSQL now looks as if it had been set back.
  await postgres.query('DELETE FROM orders WHERE id = $1', [id]);
  const env = pods.get('stock-http')?.env ?? {};
  const { ok, stdout, stderr } = await runFile(
    'services/stock/dist/recovery/rebuild-command.js',
    [SALE],
    env,
  );
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
  const tryToRead = async ([name, groupId, topic]: (typeof cases)[number]): Promise<void> => {
    let starting: ReturnType<typeof startConsumer> | undefined;
    const crash = await new Promise<unknown>((resolve) => {
      starting = startConsumer({
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
        onFail: resolve,
      });
      starting.catch(resolve);
    });
    const stop = await starting?.catch(() => undefined);
    await stop?.();
    // kafkajs does not tell why it could not ask for a coordinator.
    t.match(crash, { message: /authorization|coordinator/i }, `${name} does not join ${groupId}`);
  };
  // Each asks several times, for a quarter of a minute.
  await Promise.all(cases.map(tryToRead));
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

await test('a client hears nothing without TLS or a user, and believes no other authority', async (t) => {
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
