import { DEAD_LETTER, TOPICS, type DeadLetter } from '@seckill/contracts';
import type { OutgoingMessage, Publisher } from '@seckill/runtime';
import { laneKeys, type Lane } from '../redis/keys.ts';
import type { LaneContentError } from '../lane-content-error.ts';
import type { OutboxEntry } from './outbox.ts';

/** An entry of the outbox that makes no message. */
export interface UnreadableEntry {
  entry: OutboxEntry;
  error: LaneContentError;
}

/** What is kept of an entry: a record of ours has at most some kB. */
const RECORD_LENGTH_MAX = 100_000;

/**
 * Puts what stands in an outbox and is no entry of ours among the dead letters, with the key of Redis in the
 * place of a topic. Such an entry would otherwise hold up all entries behind it for ever, and the sale with
 * them. If the entry was an order of ours, its hold is published again (docs/recovery.md, "Holds nobody
 * ends"), and the audit misses its sequence (INV-2).
 * @throws as Publisher.publish
 */
export async function publishUnreadable(
  publisher: Publisher,
  lane: Lane,
  unreadable: readonly UnreadableEntry[],
): Promise<void> {
  const letters = unreadable.map(({ entry, error }): OutgoingMessage => {
    const letter: DeadLetter = {
      topic: laneKeys(lane).outbox,
      partition: lane.lane,
      offset: entry.id,
      error: error.message,
      headers: {},
      value: Buffer.from(entry.record.slice(0, RECORD_LENGTH_MAX)).toString('base64'),
      ...(entry.record.length > RECORD_LENGTH_MAX ? { isTruncated: true } : {}),
    };
    return { key: '', value: JSON.stringify(letter) };
  });
  // One at a time: each may be as large as a message may be.
  for (const letter of letters) await publisher.publish(TOPICS.deadLetters, DEAD_LETTER, [letter]);
}
