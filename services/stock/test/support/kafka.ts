import { randomBytes } from 'node:crypto';
import { ReservationCreated, TOPICS, type DeadLetter, type Topic } from '@seckill/contracts';
import {
  createKafka,
  createProducer,
  startConsumer,
  type IncomingMessage,
  type Producer,
} from '@seckill/runtime';
import type { Test } from 'tap';
import { Compile } from 'typebox/compile';
import { silent, until } from './build.ts';

export interface Received extends ReservationCreated {
  partition: number;
  headers: IncomingMessage['headers'];
  key: string | undefined;
}

const isReservationCreated = Compile(ReservationCreated);
export const kafka = createKafka(
  { brokers: (process.env['KAFKA_BROKERS'] ?? '').split(',') },
  'seckill-stock-test',
  silent,
);

/** Other tests may use them too, so every test looks at its own sale only. */
export async function createTopics(...topics: Topic[]): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    // It would throw on a broker that has not heard of its new topic yet.
    waitForLeaders: false,
    topics: topics.map(({ name, partitions }) => ({
      topic: name,
      numPartitions: partitions,
      replicationFactor: 1,
    })),
  });
  for (const { name } of topics) {
    await until('every partition has a leader that knows it', () =>
      admin.fetchTopicOffsets(name).then(
        () => true,
        () => false,
      ),
    );
  }
  await admin.disconnect();
}

export async function connectProducer(t: Test): Promise<Producer> {
  const producer = createProducer(kafka);
  await producer.connect();
  t.teardown(() => producer.disconnect());
  return producer;
}

/**
 * Undefined for what is no JSON: order's tests put messages of that kind on the same topics, for their intake
 * to park.
 */
function parse(value: Buffer | undefined): unknown {
  try {
    return JSON.parse(value?.toString() ?? 'null');
  } catch {
    return undefined;
  }
}

/** Every ReservationCreated, as it comes, from the beginning; a test takes those of its own sale. */
export async function receive(t: Test): Promise<{ of: (saleId: string) => Received[] }> {
  const messages: Received[] = [];
  await receiveFrom(t, TOPICS.reservations, ({ key, value, headers }, partition) => {
    const body = parse(value);
    if (isReservationCreated.Check(body)) messages.push({ ...body, partition, headers, key });
  });
  return { of: (saleId) => messages.filter((message) => message.saleId === saleId) };
}

/** What is parked from one topic. */
export async function receiveLetters(t: Test, topic: Topic): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  await receiveFrom(t, TOPICS.deadLetters, ({ value }) => {
    const letter = parse(value) as DeadLetter | null | undefined;
    if (letter?.topic === topic.name) letters.push(letter);
  });
  return letters;
}

async function receiveFrom(
  t: Test,
  topic: Topic,
  onMessage: (message: IncomingMessage, partition: number) => void,
): Promise<void> {
  const stop = await startConsumer({
    kafka,
    groupId: `test-${randomBytes(8).toString('hex')}`,
    topic,
    concurrency: 3,
    onAssigned: () => undefined,
    onFail: (error) => t.fail('the consumer crashed', { error }),
    onBatch: async ({ partition, messages }, context) => {
      for (const message of messages) {
        onMessage(message, partition);
        context.resolve(message.offset);
      }
    },
  });
  t.teardown(stop);
}
