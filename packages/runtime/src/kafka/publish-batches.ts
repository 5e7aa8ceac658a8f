import type { OutgoingMessage } from './publisher.ts';

/**
 * Kafka refuses a batch of records beyond `message.max.bytes` (1 MiB by default), and would refuse it for
 * ever. A batch is what one publish has for one partition, and chance may bring the whole publish to the same
 * partition. So a whole publish stays below the limit, with as much again for the frame of each record.
 */
export const PUBLISH_BYTES_MAX = 512 * 1_024;

/**
 * Bytes of a record besides what its fields hold: lengths, offsets and times, and the headers every message
 * carries.
 */
const RECORD_BYTES = 128;

/**
 * Cuts what is to be published into parts, in order. A message larger than a part goes alone. One of our
 * messages is below 12 kB.
 */
export function splitByBytes(messages: OutgoingMessage[], bytesMax = PUBLISH_BYTES_MAX): OutgoingMessage[][] {
  const parts: OutgoingMessage[][] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = bytesOf(message);
    if (parts.length === 0 || bytes + size > bytesMax) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(message);
    bytes += size;
  }
  return parts;
}

/** What a message takes of a publish, in bytes. */
export function bytesOf({ key, value, headers = {} }: OutgoingMessage): number {
  const texts = [key, value, ...Object.entries(headers).flat()];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), RECORD_BYTES);
}
