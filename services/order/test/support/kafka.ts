import { randomBytes } from 'node:crypto';
import type { Kafka } from '@seckill/runtime';
import type { Test } from 'tap';

export const SINGLE_BROKER = { replicationFactor: 1, minInSyncReplicas: 1 };

/** Reads a topic from its beginning until so many different values match. @returns these values. */
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
