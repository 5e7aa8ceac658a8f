import { DEAD_LETTER, HEADERS, TOPICS, type DeadLetter } from '@seckill/contracts';
import type { Batch, IncomingMessage, OutgoingMessage, Publisher } from './kafka.ts';

export interface Unfit {
  message: IncomingMessage;
  /** Why the message could not be understood or applied. */
  error: string;
}

/** Kafka refuses a batch of records beyond `max.message.bytes` (1 MiB by default), and would refuse it for ever. */
const PUBLISH_BYTES_MAX = 512 * 1_024;
/** A message of 1 MiB, the most Kafka takes by default, is 4/3 of that in base64; the topic has to hold it. */
export const DEAD_LETTER_BYTES_MAX = 2 * 1_024 * 1_024;

/**
 * Resolves when Kafka confirmed them; only then may the offset pass them, or they are gone. A crash between the two
 * publishes them again.
 * @throws what `Publisher.publish` throws
 */
export async function publishDeadLetters(publisher: Publisher, batch: Batch, unfit: Unfit[]): Promise<void> {
  let letters: OutgoingMessage[] = [];
  let bytes = 0;
  for (const one of unfit) {
    const letter = toLetter(batch, one);
    if (letters.length > 0 && bytes + letter.value.length > PUBLISH_BYTES_MAX) {
      await publisher.publish(TOPICS.deadLetters, DEAD_LETTER, letters);
      [letters, bytes] = [[], 0];
    }
    letters.push(letter);
    bytes += letter.value.length;
  }
  await publisher.publish(TOPICS.deadLetters, DEAD_LETTER, letters);
}

function toLetter({ topic, partition }: Batch, { message, error }: Unfit): OutgoingMessage {
  const letter: DeadLetter = {
    topic,
    partition,
    offset: message.offset.toString(),
    // Bounded: an error may quote its input.
    error: error.slice(0, 500),
    ...(message.key === undefined ? {} : { key: message.key }),
    headers: message.headers,
    value: message.value?.toString('base64') ?? '',
  };
  const traceparent = message.headers[HEADERS.traceparent];
  return {
    key: message.key ?? '',
    value: JSON.stringify(letter),
    ...(traceparent === undefined ? {} : { headers: { [HEADERS.traceparent]: traceparent } }),
  };
}
