import { LIMITS, type KafkaEnds, type Verdicts } from '@seckill/contracts';
import { invariant } from '@seckill/runtime';
import { reservationIdOf, type HoldRecord } from '../redis/hold-record.ts';
import type { StoredHold } from '../redis/holds.ts';
import type { Lane } from '../redis/keys.ts';
import { readHold, republish, toRepublished } from '../relay/republish.ts';
import type { RecoveryDeps } from './deps.ts';

type HoldDeps = Pick<
  RecoveryDeps,
  'orderClient' | 'publisher' | 'readHolds' | 'settle' | 'lease' | 'logger' | 'metrics' | 'onStep'
>;

/**
 * Asks order about every hold of the lane (D26). A hold that ended in Postgres is settled here: its
 * settlement may have gone by for good, between snapshot and load, or in a tail of the append-only file that
 * Redis lost. A hold that order does not know was lost by Kafka, and is published again from the hold; a
 * rebuild would drop it, and with it a buyer's reservation (INV-2).
 * @returns false when a settlement contradicts the lane or a hold cannot be read; all other holds were looked
 * at then.
 */
export async function settleHolds(deps: HoldDeps, lane: Lane, ends: KafkaEnds | undefined): Promise<boolean> {
  deps.onStep('verdicts', lane);
  let isSound = true;
  let cursor = '0';
  do {
    const page = await deps.readHolds(lane, cursor, LIMITS.rebuildPageMax);
    cursor = page.cursor;
    // HSCAN answers a small hash whole, whatever the count.
    for (let start = 0; start < page.holds.length; start += LIMITS.rebuildPageMax) {
      const holds = page.holds.slice(start, start + LIMITS.rebuildPageMax);
      if (!(await settlePage(deps, lane, holds, ends))) isSound = false;
      await deps.lease.renew(lane);
    }
  } while (cursor !== '0');
  return isSound;
}

async function settlePage(
  deps: HoldDeps,
  lane: Lane,
  holds: StoredHold[],
  ends: KafkaEnds | undefined,
): Promise<boolean> {
  const records = readRecords(deps, lane, holds);
  const areAllRead = records.size === holds.length;
  if (records.size === 0) return areAllRead;
  const request = { reservationIds: [...records.keys()], ...(ends && { ends }) };
  const { ended, unknown } = await deps.orderClient.readVerdicts(lane.saleId, request);
  const areAllSettled = await settleEnded(deps, lane, ended);
  await publishUnknown(deps, lane, records, unknown);
  return areAllRead && areAllSettled;
}

/** By reservation id. */
function readRecords({ logger }: HoldDeps, lane: Lane, holds: StoredHold[]): Map<string, HoldRecord> {
  const records = new Map<string, HoldRecord>();
  for (const hold of holds) {
    const record = readHold(lane, hold, logger);
    if (record !== undefined) records.set(reservationIdOf(lane, record), record);
  }
  return records;
}

/**
 * @returns false when the lane contradicts one of the settlements. @throws what kept Redis from answering.
 */
async function settleEnded(
  { settle, logger, metrics }: HoldDeps,
  lane: Lane,
  ended: Verdicts['ended'],
): Promise<boolean> {
  if (ended.length === 0) return true;
  let isSound = true;
  for (const answer of await settle(ended)) {
    if (answer.result === 'unanswered') throw answer.error;
    if (answer.result === 'broken') {
      logger.error({ err: answer.error, ...lane }, 'lane opener: the lane contradicts a settlement');
      isSound = false;
    }
  }
  metrics.settledHolds.inc(ended.length);
  return isSound;
}

async function publishUnknown(
  { publisher, logger, metrics }: HoldDeps,
  lane: Lane,
  records: Map<string, HoldRecord>,
  unknown: string[],
): Promise<void> {
  const messages = unknown.flatMap((id) => {
    const record = records.get(id);
    invariant(record !== undefined, 'order names holds that it was asked about');
    return toRepublished(lane, record, logger) ?? [];
  });
  if (messages.length === 0) return;
  await republish(publisher, messages);
  metrics.publishedAgain.inc(messages.length);
  logger.error(
    { ...lane, count: messages.length },
    'lane opener: holds that order does not know are published again',
  );
}
