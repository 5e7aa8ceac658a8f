import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { TOPICS, type Topic } from '@seckill/contracts';
import {
  backoffMs,
  createKafka,
  createLogger,
  DEAD_LETTER_BYTES_MAX,
  isRefusal,
  type Kafka,
  print,
  runCommand,
  systemClock,
} from '@seckill/runtime';
import { readTopicsConfig } from '../config.ts';

const KAFKA_WAIT_MS = 60_000;
const LEADER_WAIT_MS = 30_000;

export interface TopicsOptions {
  replicationFactor: number;
  minInSyncReplicas: number;
}

export class TopicsError extends Error {
  override readonly name = 'TopicsError';
  readonly code = 'SECKILL_TOPICS_INVALID';
}

type Admin = ReturnType<Kafka['admin']>;

/**
 * Creates the topics of the contract that do not exist. Repeating it changes nothing.
 * @returns names of what was created.
 * @throws TopicsError when a topic exists with fewer partitions than the contract sends to; kafkajs' own
 * error when Kafka has not answered for a minute, or refuses us.
 */
export async function createTopics(
  kafka: Kafka,
  options: TopicsOptions,
  topics: Topic[] = Object.values<Topic>(TOPICS),
): Promise<string[]> {
  const admin = kafka.admin();
  await connect(admin);
  try {
    const existing = new Set(await admin.listTopics());
    const missing = topics.filter(({ name }) => !existing.has(name));
    if (missing.length > 0) {
      // The answer is false when another process was quicker. Then the topics are there as well.
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
        waitForLeaders: false,
      });
    }
    await checkPartitions(admin, topics);
    return missing.map(({ name }) => name);
  } finally {
    await admin.disconnect();
  }
}

/**
 * Waits until every partition has a leader. kafkajs' own wait gives up at once when a broker has not heard of
 * the new topic yet (seen on Kafka 4.4). Partitions beyond those of the contract stay unused. With fewer
 * partitions a message would have nowhere to go.
 */
async function checkPartitions(admin: Admin, expected: Topic[]): Promise<void> {
  const deadline = systemClock.now() + LEADER_WAIT_MS;
  for (let attempt = 0; ; attempt += 1) {
    const counts = await countLed(admin, expected);
    const lacking = expected.find(({ name, partitions }) => (counts?.get(name) ?? 0) < partitions);
    if (counts !== undefined && lacking === undefined) return;
    if (counts !== undefined && lacking !== undefined && counts.has(lacking.name)) {
      throw new TopicsError(
        `${lacking.name} has ${counts.get(lacking.name) ?? 0} partitions; ${lacking.partitions} are needed`,
      );
    }
    if (systemClock.now() > deadline) throw new TopicsError('a topic has no leader in every partition');
    await systemClock.sleep(backoffMs(attempt, { baseMs: 50, capMs: 500 }));
  }
}

/**
 * Partitions of each topic whose partitions all have a leader; undefined while a topic is not known
 * everywhere.
 */
async function countLed(admin: Admin, expected: Topic[]): Promise<Map<string, number> | undefined> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: expected.map(({ name }) => name) });
    const led = topics.filter(({ partitions }) => partitions.every(({ leader }) => leader >= 0));
    return new Map(led.map(({ name, partitions }) => [name, partitions.length]));
  } catch (error) {
    const type = error instanceof Error && 'type' in error ? error.type : undefined;
    if (type === 'UNKNOWN_TOPIC_OR_PARTITION' || type === 'LEADER_NOT_AVAILABLE') return undefined;
    throw error;
  }
}

async function connect(admin: Admin): Promise<void> {
  const deadline = systemClock.now() + KAFKA_WAIT_MS;
  for (let attempt = 0; ; attempt += 1) {
    try {
      await admin.connect();
      return;
    } catch (error) {
      if (isRefusal(error) || systemClock.now() > deadline) throw error;
      await systemClock.sleep(backoffMs(attempt, { baseMs: 200, capMs: 2_000 }));
    }
  }
}

const HELP = `Usage: npm run topics -- [--help]
Creates the Kafka topics on KAFKA_BROKERS, waiting up to a minute for Kafka. Repeating it changes nothing.
TOPICS_REPLICATION_FACTOR (default 1) and TOPICS_MIN_IN_SYNC_REPLICAS (default 1) apply to topics it creates.
Exit code: 0 done, 1 failed, 2 wrong usage.`;

async function main(): Promise<undefined> {
  const { kafka, ...options } = readTopicsConfig();
  const created = await createTopics(
    createKafka(kafka, 'seckill-topics', createLogger('topics', 'error')),
    options,
  );
  print(created.length === 0 ? 'nothing to create' : `created: ${created.join(', ')}`);
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await runCommand({ help: HELP, options: {} }, main);
}
