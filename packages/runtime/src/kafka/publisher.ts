import { HEADERS, partitionOf, type Topic } from '@seckill/contracts';
import kafkajs, { type Kafka, type Producer } from 'kafkajs';
import { traceSending } from '../tracing/message-spans.ts';
import type { Tracing } from '../tracing/tracing.ts';
import { isKafkaJsError } from './kafka-errors.ts';

export type { Producer };

export interface OutgoingMessage {
  key: string;
  value: string;
  headers?: Record<string, string>;
}

export class PublishError extends Error {
  override readonly name = 'PublishError';
  readonly code = 'SECKILL_KAFKA_PUBLISH';
}

/** What relay and intake need of Kafka, small enough to be replaced by another client. */
export interface Publisher {
  /**
   * Resolves when every replica in sync holds all messages.
   * @throws PublishError, or kafkajs' own error: then any part may or may not have been written; publish
   * again.
   */
  publish(topic: Topic, kind: { type: string; version: string }, messages: OutgoingMessage[]): Promise<void>;
}

/**
 * Kafka did not confirm what was published, and may do so when asked again. Any other error is our own bug.
 */
export function isKafkaAway(error: unknown): boolean {
  return error instanceof PublishError || isKafkaJsError(error);
}

type Sender = Pick<Producer, 'send'>;

/**
 * Publishes with `acks: -1` and not idempotent: kafkajs' idempotent producer can acknowledge a message it
 * lost, while a duplicate is harmless to us. `send()` may resolve without having sent everything after a
 * leader moved. So the answer must name every partition we sent to (D3).
 */
export function createPublisher(producer: Sender, tracing?: Tracing): Publisher {
  return {
    async publish(topic, kind, messages) {
      if (messages.length === 0) return;
      await traceSending(tracing, topic.name, messages, (traced) => send(producer, topic, kind, traced));
    },
  };
}

async function send(
  producer: Sender,
  topic: Topic,
  kind: { type: string; version: string },
  messages: OutgoingMessage[],
): Promise<void> {
  const expected = new Set<number>();
  const records = messages.map(({ key, value, headers }) => {
    const partition = partitionOf(topic, key);
    expected.add(partition);
    return {
      key,
      value,
      partition,
      headers: { ...headers, [HEADERS.type]: kind.type, [HEADERS.version]: kind.version },
    };
  });
  const answer = await producer.send({ topic: topic.name, acks: -1, timeout: 5_000, messages: records });
  for (const { topicName, partition, errorCode } of answer) {
    if (topicName === topic.name && errorCode === 0) expected.delete(partition);
  }
  if (expected.size > 0) {
    throw new PublishError(
      `${topic.name}: no confirmation for partition ${[...expected].sort((a, b) => a - b).join(', ')}`,
    );
  }
}

export function createProducer(kafka: Kafka): Producer {
  return kafka.producer({
    allowAutoTopicCreation: false,
    idempotent: false,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5 },
  });
}
