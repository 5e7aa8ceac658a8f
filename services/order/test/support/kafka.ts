import { randomBytes } from 'node:crypto';
import type { Topic } from '@seckill/contracts';
import { createKafka, createProducer, createPublisher, type Kafka, type Publisher } from '@seckill/runtime';
import type { Test } from 'tap';
import { createTopics } from '../../src/commands/topics.ts';
import { logger } from './build.ts';

/** The real Kafka of KAFKA_BROKERS. */
export function connectKafka(): Kafka {
  const brokers = process.env['KAFKA_BROKERS'];
  if (brokers === undefined) throw new Error('KAFKA_BROKERS names no Kafka; run through npm test');
  return createKafka({ brokers: brokers.split(',') }, 'order-test', logger);
}

export const SINGLE_BROKER = { replicationFactor: 1, minInSyncReplicas: 1 };

/** A topic of the test's own, so that several tests share one Kafka. */
export async function createTopic(kafka: Kafka, partitions: number): Promise<Topic> {
  const topic = { name: `order-test.${randomBytes(6).toString('hex')}`, partitions };
  await createTopics(kafka, SINGLE_BROKER, [topic]);
  return topic;
}

export async function connectPublisher(t: Test, kafka: Kafka): Promise<Publisher> {
  const producer = createProducer(kafka);
  await producer.connect();
  t.teardown(() => producer.disconnect());
  return createPublisher(producer);
}

/** Values of a topic's messages from its beginning that match, until so many different ones are there. */
export async function readValues(
  t: Test,
  kafka: Kafka,
  options: { topic: string; count: number; matches: (value: string) => boolean },
): Promise<string[]> {
  const consumer = kafka.consumer({
    groupId: `order-test.${randomBytes(6).toString('hex')}`,
    maxWaitTimeInMs: 250,
  });
  t.teardown(() => consumer.disconnect());
  await consumer.connect();
  await consumer.subscribe({ topic: options.topic, fromBeginning: true });
  const values: string[] = [];
  await new Promise<void>((resolve, reject) => {
    const deadline = setTimeout(() => {
      reject(new Error(`${options.topic}: ${new Set(values).size} of ${options.count} messages after 15 s`));
    }, 15_000);
    consumer
      .run({
        eachMessage: async ({ message }) => {
          const value = message.value?.toString() ?? '';
          if (options.matches(value)) values.push(value);
          if (new Set(values).size < options.count) return;
          clearTimeout(deadline);
          resolve();
        },
      })
      .catch(reject);
  });
  return values;
}
