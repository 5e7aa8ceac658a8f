/** Topics on the Kafka that all test files share. */
import { randomBytes } from 'node:crypto';
import type { Topic } from '@seckill/contracts';
import {
  createKafka,
  createProducer,
  createPublisher,
  type Kafka,
  type Producer,
  type Publisher,
} from '@seckill/runtime';
import type { Test } from 'tap';
import { silent } from './silent.ts';
import { untilWithin } from './until.ts';

const until = untilWithin(20_000);

/** The real Kafka of KAFKA_BROKERS. */
export function connectKafka(clientId: string): Kafka {
  const brokers = process.env['KAFKA_BROKERS'];
  if (brokers === undefined) throw new Error('KAFKA_BROKERS names no Kafka; run through npm test');
  return createKafka({ brokers: brokers.split(',') }, clientId, silent);
}

/** Other tests may use these topics too, so every test looks at its own sale only. */
export async function createTopics(kafka: Kafka, ...topics: Topic[]): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    // The call would throw on a broker that has not heard of the new topic yet.
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

/** A topic of the test's own, so that its counts are its own too. */
export async function makeTopic(kafka: Kafka, partitions: number): Promise<Topic> {
  const topic = { name: `test.${randomBytes(8).toString('hex')}`, partitions };
  await createTopics(kafka, topic);
  return topic;
}

/** Ends with the test. */
export async function connectProducer(t: Test, kafka: Kafka): Promise<Producer> {
  const producer = createProducer(kafka);
  await producer.connect();
  t.teardown(() => producer.disconnect());
  return producer;
}

/** Ends with the test. */
export async function connectPublisher(t: Test, kafka: Kafka): Promise<Publisher> {
  return createPublisher(await connectProducer(t, kafka));
}
