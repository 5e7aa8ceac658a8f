/**
 * The engines are real and keep what they confirm: one round trip through each client that the services use,
 * the settings that D2, D3 and D11 rest on read back from the engines, and the same data after a SIGKILL.
 */
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { Redis } from 'ioredis';
import kafkajs from 'kafkajs';
import type { KafkaMessage } from 'kafkajs';
import pg from 'pg';
import { test } from 'tap';
import { startEngines } from '../../src/engines/engine-set.ts';
import type { Engines } from '../../src/engines/engine-set.ts';

// The package is CommonJS, and Node does not see all names of it.
const { ConfigResourceTypes, Kafka, logLevel } = kafkajs;

const VARIABLES = ['REDIS_URL', 'KAFKA_BROKERS', 'DATABASE_URL'];

/** `npm test` puts addresses of engines into the environment. These tests start engines of their own. */
for (const variable of VARIABLES) Reflect.deleteProperty(process.env, variable);

const { version: kafkajsVersion } = createRequire(import.meta.url)('kafkajs/package.json') as {
  version: string;
};

function kafkaOf(engines: Engines): InstanceType<typeof Kafka> {
  return new Kafka({ brokers: engines.kafka.split(','), logLevel: logLevel.NOTHING });
}

await test('engines that a command starts', async (t) => {
  const engines = await startEngines({ name: `engines-${process.pid}` });
  t.teardown(() => engines.stop());

  await t.test('every engine is real and named by its origin', async (t) => {
    for (const origin of Object.values(engines.origin)) t.match(origin, /^(docker|local|cached|installed)/);
    t.same(Object.keys(engines.pids).sort(), ['kafka', 'postgres', 'redis']);
  });

  await t.test('redis writes every command to disk before it answers and evicts nothing', async (t) => {
    const redis = new Redis(engines.redis);
    t.teardown(() => {
      redis.disconnect();
    });
    await redis.set('units', '2000');
    t.equal(await redis.get('units'), '2000');
    for (const [setting, value] of [
      ['appendonly', 'yes'],
      ['appendfsync', 'always'],
      ['maxmemory-policy', 'noeviction'],
      ['save', ''],
    ] as const) {
      t.same(await redis.config('GET', setting), [setting, value]);
    }
  });

  await t.test('redis and postgres refuse a client without the password', async (t) => {
    const url = new URL(engines.redis);
    const redis = new Redis({ host: url.hostname, port: Number(url.port), retryStrategy: () => null });
    redis.on('error', () => undefined);
    await t.rejects(redis.get('units'), { message: /NOAUTH/ });
    redis.disconnect();
    const stranger = new URL(engines.postgres);
    stranger.password = 'guess';
    const client = new pg.Client({ connectionString: stranger.href });
    await t.rejects(client.connect(), { code: '28P01' });
  });

  await t.test('postgres is durable, in UTC and UTF-8, with room for every pool', async (t) => {
    const client = new pg.Client({ connectionString: engines.postgres });
    await client.connect();
    t.teardown(() => client.end());
    const { rows } = await client.query(
      `select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
              current_setting('timezone') as zone, current_setting('max_connections') as connections,
              current_database() as name, pg_encoding_to_char(encoding) as encoding, datcollate as locale
         from pg_database where datname = current_database()`,
    );
    const row = rows[0] as Record<string, string>;
    t.match(row, {
      fsync: 'on',
      commit: 'on',
      zone: 'UTC',
      connections: '200',
      name: 'seckill',
      encoding: 'UTF8',
    });
    t.match(row['locale'], /^C/);
    const { rows: titles } = await client.query(`select '赣南脐橙' as title`);
    t.same(titles, [{ title: '赣南脐橙' }]);
  });

  await t.test(
    `kafkajs ${kafkajsVersion} makes a full round trip on the broker`,
    { timeout: 60_000 },
    async (t) => {
      const topic = `round-trip-${randomUUID()}`;
      const partitions = [0, 1, 2, 3];
      const groupId = `group-${randomUUID()}`;
      const kafka = kafkaOf(engines);
      const admin = kafka.admin();
      await admin.connect();
      t.teardown(() => admin.disconnect());
      t.equal(
        await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 4 }] }),
        true,
      );
      t.equal(await admin.createTopics({ topics: [{ topic, numPartitions: 4 }] }), false, 'made once');

      const producer = kafka.producer({ allowAutoTopicCreation: false });
      await producer.connect();
      t.teardown(() => producer.disconnect());
      const messages = partitions.flatMap((partition) =>
        [1, 2, 3].map((n) => ({
          partition,
          key: `k${partition}`,
          value: `${partition}-${n}`,
          headers: { n: String(n) },
        })),
      );
      const answer = await producer.send({ topic, acks: -1, messages });
      t.same(answer.map((part) => part.partition).sort(), partitions, 'every partition sent to is confirmed');

      const received = new Map<string, KafkaMessage>();
      const consumer = kafka.consumer({ groupId, allowAutoTopicCreation: false, maxWaitTimeInMs: 250 });
      t.teardown(() => consumer.disconnect());
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      await new Promise<void>((resolve, reject) => {
        // A new broker makes its topic of groups at the first question; kafkajs then begins anew by itself.
        consumer.on('consumer.crash', ({ payload }) => {
          if (!payload.restart) reject(payload.error);
        });
        consumer
          .run({
            autoCommit: false,
            eachMessage: async ({ partition, message }) => {
              received.set(`${partition} ${message.offset}`, message);
              if (received.size === messages.length) resolve();
            },
          })
          .catch(reject);
      });
      await consumer.commitOffsets(partitions.map((partition) => ({ topic, partition, offset: '3' })));
      await consumer.disconnect();
      t.same(
        [...received.values()].map(({ value }) => value?.toString()).sort(),
        messages.map(({ value }) => value).sort(),
      );
      t.ok(
        [...received.values()].every(({ headers }) => headers?.['n'] !== undefined),
        'headers arrive',
      );

      const committed = await admin.fetchOffsets({ groupId, topics: [topic] });
      t.same(
        new Set(committed[0]?.partitions.map((part) => part.offset)),
        new Set(['3']),
        'offsets are committed',
      );
      const high = await admin.fetchTopicOffsets(topic);
      t.same(new Set(high.map((part) => part.high)), new Set(['3']));
    },
  );

  await t.test('kafka flushes every message and makes no topic by itself', async (t) => {
    const kafka = kafkaOf(engines);
    const admin = kafka.admin();
    const producer = kafka.producer({ retry: { retries: 1 } });
    await Promise.all([admin.connect(), producer.connect()]);
    t.teardown(() => Promise.all([admin.disconnect(), producer.disconnect()]));
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.BROKER, name: '1' }],
    });
    const valueOf = (name: string): string | undefined =>
      resources[0]?.configEntries.find((entry) => entry.configName === name)?.configValue;
    t.equal(valueOf('log.flush.interval.messages'), '1');
    t.equal(valueOf('auto.create.topics.enable'), 'false');
    await t.rejects(producer.send({ topic: `nobody-made-${process.pid}`, messages: [{ value: 'x' }] }));
  });

  await t.test(
    'a killed engine comes back at the same place with what it had confirmed',
    { timeout: 60_000 },
    async (t) => {
      const before = { ...engines.pids };
      const client = new pg.Client({ connectionString: engines.postgres });
      await client.connect();
      await client.query('create table kept (id int)');
      await client.query('insert into kept values (1)');
      await client.end();
      const topic = `kept-${process.pid}`;
      const admin = kafkaOf(engines).admin();
      await admin.connect();
      await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 1 }] });
      await admin.disconnect();
      const producer = kafkaOf(engines).producer();
      await producer.connect();
      await producer.send({ topic, acks: -1, messages: [{ value: 'kept' }] });
      await producer.disconnect();

      for (const engine of ['redis', 'kafka', 'postgres'] as const) await engines.kill(engine);
      await Promise.all((['redis', 'kafka', 'postgres'] as const).map((engine) => engines.restart(engine)));

      for (const engine of ['redis', 'kafka', 'postgres'])
        t.not(engines.pids[engine], before[engine], `${engine} is a new process`);
      const redis = new Redis(engines.redis);
      t.teardown(() => {
        redis.disconnect();
      });
      t.equal(await redis.get('units'), '2000');
      const again = new pg.Client({ connectionString: engines.postgres });
      await again.connect();
      t.teardown(() => again.end());
      t.same((await again.query('select id from kept')).rows, [{ id: 1 }]);
      const reader = kafkaOf(engines).admin();
      await reader.connect();
      t.teardown(() => reader.disconnect());
      t.match(await reader.fetchTopicOffsets(topic), [{ partition: 0, high: '1' }]);
    },
  );
});
