import { RESERVATION_CREATED, TOPICS } from '@seckill/contracts';
import { splitByBytes, type Logger, type OutgoingMessage, type Publisher } from '@seckill/runtime';
import { parseRecord, type HoldRecord } from '../redis/hold-record.ts';
import type { StoredHold } from '../redis/holds.ts';
import type { Lane } from '../redis/keys.ts';
import { LaneContentError } from '../lane-content-error.ts';
import { toRepublishedMessage } from './reservation-message.ts';

/**
 * Publishing a reservation again from its hold, when its message was lost. The relay does this for holds that
 * nobody ended, and the lane opener for holds that order does not know. An entry of the outbox that makes no
 * message becomes a dead letter. A hold only repeats what was published before. So a broken hold is logged
 * and skipped, and the role that serves every sale goes on.
 */

/** Undefined, and logged, when the text is no record. */
export function readHold(
  lane: Lane,
  { keyHash, record }: StoredHold,
  logger: Logger,
): HoldRecord | undefined {
  try {
    return parseRecord(record);
  } catch (error) {
    if (!(error instanceof LaneContentError)) throw error;
    logger.error({ err: error, ...lane, keyHash }, 'a hold cannot be read');
    return undefined;
  }
}

/** Undefined, and logged, when the record makes no message. */
export function toRepublished(lane: Lane, record: HoldRecord, logger: Logger): OutgoingMessage | undefined {
  try {
    return toRepublishedMessage(lane, record);
  } catch (error) {
    if (!(error instanceof LaneContentError)) throw error;
    logger.error({ err: error, ...lane }, 'a hold cannot be published again');
    return undefined;
  }
}

/** @throws as Publisher.publish: some may have been published then, and may be published again. */
export async function republish(publisher: Publisher, messages: OutgoingMessage[]): Promise<void> {
  for (const part of splitByBytes(messages)) {
    await publisher.publish(TOPICS.reservations, RESERVATION_CREATED, part);
  }
}
