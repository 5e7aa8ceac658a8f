import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { TOPICS, type Topic } from '@seckill/contracts';
import { backoffMs, createKafka, createLogger, systemClock, type Kafka } from '@seckill/runtime';
import { readTopicsConfig } from './config.ts';
import { DEAD_LETTER_BYTES_MAX } from './dead-letter.ts';

const KAFKA_WAIT_MS = 60_000;

export interface TopicsOptions {
  replicationFactor: number;
  minInSyncReplicas: number;
}

export class TopicsError extends Error {
  override readonly name = 'TopicsError';
  readonly code = 'SECKILL_TOPICS_UNFIT';
}

type Admin = ReturnType<Kafka['admin']>;

/**
 * Creates the topics of the contract that do not exist. Repeating it changes nothing.
 * @returns names of what was created.
 * @throws TopicsError when a topic exists with fewer partitions than the contract sends to; kafkajs' own error when
 * Kafka has not answered for a minute.
 */
export async function createTopics(kafka: Kafka, options: TopicsOptions): Promise<string[]> {
  const admin = kafka.admin();
  await connect(admin);
  try {
    const existing = new Set(await admin.listTopics());
    const missing = Object.values<Topic>(TOPICS).filter(({ name }) => !existing.has(name));
    if (missing.length > 0) {
      // False when another process was quicker: just as well.
      await admin.createTopics({
        topics: missing.map(({ name, partitions }) => ({
          topic: name,
          numPartitions: partitions,
          replicationFactor: options.replicationFactor,
          configEntries: [
            { name: 'min.insync.replicas', value: String(options.minInSyncReplicas) },
            ...(name === TOPICS.deadLetters.name
              ? [{ name: 'max.message.bytes', value: String(DEAD_LETTER_BYTES_MAX) }]
              : []),
          ],
        })),
        waitForLeaders: true,
      });
    }
    await checkPartitions(admin);
    return missing.map(({ name }) => name);
  } finally {
    await admin.disconnect();
  }
}

/** More partitions than the contract's are unused; fewer, and a message has nowhere to go. */
async function checkPartitions(admin: Admin): Promise<void> {
  const expected = Object.values<Topic>(TOPICS);
  const { topics } = await admin.fetchTopicMetadata({ topics: expected.map(({ name }) => name) });
  for (const { name, partitions } of expected) {
    const count = topics.find((topic) => topic.name === name)?.partitions.length ?? 0;
    if (count < partitions) {
      throw new TopicsError(`${name} has ${count} partitions; ${partitions} are needed`);
    }
  }
}

async function connect(admin: Admin): Promise<void> {
  const deadline = systemClock.now() + KAFKA_WAIT_MS;
  for (let attempt = 0; ; attempt += 1) {
    try {
      await admin.connect();
      return;
    } catch (error) {
      if (systemClock.now() > deadline) throw error;
      await systemClock.sleep(backoffMs(attempt, { baseMs: 200, capMs: 2_000 }));
    }
  }
}

const HELP = `Usage: node dist/topics.js [--help]
Creates the Kafka topics on KAFKA_BROKERS, waiting up to a minute for Kafka. Repeating it changes nothing.
TOPICS_REPLICATION_FACTOR (default 1) and TOPICS_MIN_IN_SYNC_REPLICAS (default 1) apply to topics it creates.`;

async function main(): Promise<void> {
  if (process.argv.includes('--help')) {
    console.log(HELP);
    return;
  }
  const { kafkaBrokers, ...options } = readTopicsConfig();
  const kafka = createKafka(kafkaBrokers, 'seckill-topics', createLogger('topics', 'error'));
  const created = await createTopics(kafka, options);
  console.log(created.length === 0 ? 'nothing to create' : `created: ${created.join(', ')}`);
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}
