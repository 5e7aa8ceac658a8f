import { randomBytes } from 'node:crypto';
import { ReservationCreated, TOPICS, type DeadLetter, type Topic } from '@seckill/contracts';
import { startConsumer, type IncomingMessage } from '@seckill/runtime';
import { connectKafka } from '@seckill/testing';
import type { Test } from 'tap';
import { Compile } from 'typebox/compile';

export interface Received extends ReservationCreated {
  partition: number;
  headers: IncomingMessage['headers'];
  key: string | undefined;
}

const isReservationCreated = Compile(ReservationCreated);
export const kafka = connectKafka('stock-test');

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

/** Dead letters of messages of one topic. */
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
