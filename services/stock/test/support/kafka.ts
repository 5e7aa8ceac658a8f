import { randomBytes } from 'node:crypto';
import { ReservationCreated, TOPICS } from '@seckill/contracts';
import {
  createKafka,
  createProducer,
  startConsumer,
  type IncomingMessage,
  type Producer,
} from '@seckill/runtime';
import type { Test } from 'tap';
import { Compile } from 'typebox/compile';
import { silent } from './build.ts';

export interface Received extends ReservationCreated {
  partition: number;
  headers: IncomingMessage['headers'];
  key: string | undefined;
}

const isReservationCreated = Compile(ReservationCreated);
const kafka = createKafka((process.env['KAFKA_BROKERS'] ?? '').split(','), 'seckill-stock-test', silent);

export async function createReservationsTopic(): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  const { name, partitions } = TOPICS.reservations;
  // False when it exists: other tests use it too, so every test looks at its own sale only.
  await admin.createTopics({
    waitForLeaders: true,
    topics: [{ topic: name, numPartitions: partitions, replicationFactor: 1 }],
  });
  await admin.disconnect();
}

export async function connectProducer(t: Test): Promise<Producer> {
  const producer = createProducer(kafka);
  await producer.connect();
  t.teardown(() => producer.disconnect());
  return producer;
}

/** Every message of the topic, as it comes, from the beginning. */
export async function receive(t: Test): Promise<{ of: (saleId: string) => Received[] }> {
  const messages: Received[] = [];
  const stop = await startConsumer({
    kafka,
    groupId: `test-${randomBytes(8).toString('hex')}`,
    topic: TOPICS.reservations,
    concurrency: 3,
    onAssigned: () => undefined,
    onCrash: (error) => t.fail('the consumer crashed', { error }),
    onBatch: async ({ partition, messages: batch }, context) => {
      for (const { key, value, headers, offset } of batch) {
        const body: unknown = JSON.parse(value?.toString() ?? 'null');
        if (isReservationCreated.Check(body)) messages.push({ ...body, partition, headers, key });
        context.resolve(offset);
      }
    },
  });
  t.teardown(stop);
  return { of: (saleId) => messages.filter((message) => message.saleId === saleId) };
}
