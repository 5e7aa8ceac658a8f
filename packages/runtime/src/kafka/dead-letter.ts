import { DEAD_LETTER, HEADERS, TOPICS, type DeadLetter } from '@seckill/contracts';
import type { Batch, IncomingMessage } from './consumer/consumer.ts';
import { bytesOf, splitByBytes } from './publish-batches.ts';
import type { OutgoingMessage, Publisher } from './publisher.ts';

export interface RejectedMessage {
  message: IncomingMessage;
  /** Why the message could not be understood or applied. */
  error: string;
}

/**
 * A message of 1 MiB, the most Kafka takes by default, is 4/3 of that in base64. The topic has to hold it.
 */
export const DEAD_LETTER_BYTES_MAX = 2 * 1_024 * 1_024;
/** One letter, in bytes: below the topic's limit with room for Kafka's own framing. */
const LETTER_BYTES_MAX = DEAD_LETTER_BYTES_MAX - 64 * 1_024;

/**
 * Resolves when Kafka confirmed the letters. Only then may the offset pass the messages, or they are gone. A
 * crash between the two publishes them again.
 * @throws what `Publisher.publish` throws
 */
export async function publishDeadLetters(
  publisher: Publisher,
  batch: Batch,
  rejected: RejectedMessage[],
): Promise<void> {
  const letters = rejected.map((one) => toLetter(batch, one));
  for (const part of splitByBytes(letters)) await publisher.publish(TOPICS.deadLetters, DEAD_LETTER, part);
}

/**
 * The message as it was, if that fits. A message can be far larger unpacked than Kafka counted (gzip, control
 * characters in headers). What does not fit is left out, and the letter says so: topic, partition and offset
 * still name the original. A letter that Kafka refused would stop its partition for ever. In kafkajs it would
 * also stop all other partitions of the broker.
 */
function toLetter({ topic, partition }: Batch, { message, error }: RejectedMessage): OutgoingMessage {
  const source = {
    topic,
    partition,
    offset: message.offset.toString(),
    // The text is bounded, because an error may quote its input.
    error: error.slice(0, 500),
  };
  const whole: DeadLetter = {
    ...source,
    ...(message.key === undefined ? {} : { key: message.key }),
    headers: message.headers,
    value: message.value?.toString('base64') ?? '',
  };
  const traceparent = message.headers[HEADERS.traceparent];
  const letter: OutgoingMessage = {
    key: message.key ?? '',
    value: JSON.stringify(whole),
    // A real traceparent has 55 characters (W3C Trace Context).
    ...(traceparent === undefined || traceparent.length > 64
      ? {}
      : { headers: { [HEADERS.traceparent]: traceparent } }),
  };
  if (bytesOf(letter) <= LETTER_BYTES_MAX) return letter;
  const cut: DeadLetter = { ...source, value: '', isTruncated: true };
  return { key: '', value: JSON.stringify(cut) };
}
