import {
  LIMITS,
  type KafkaEnds,
  type SnapshotHorizon,
  type Verdicts,
  type VerdictsRequest,
} from '@seckill/contracts';
import { chunksOf, invariant } from '@seckill/runtime';
import { reservationIdOf, retakeOf, type HoldRecord } from '../redis/hold-record.ts';
import type { StoredHold } from '../redis/holds.ts';
import type { Lane } from '../redis/keys.ts';
import { readHold, republish, toRepublished } from '../relay/republish.ts';
import type { RecoveryDeps } from './deps.ts';

type HoldDeps = Pick<
  RecoveryDeps,
  'orderClient' | 'publisher' | 'readHolds' | 'settle' | 'lease' | 'logger' | 'metrics' | 'onStep'
>;

/** Pages of holds that order, Postgres and Redis work on at once. */
const PAGES_MAX = 4;

/**
 * Asks order about every hold of the lane (D26). A hold that ended in Postgres is settled here: its
 * settlement may have gone by for good, between snapshot and load, or in a tail of the append-only file that
 * Redis lost. A hold that order does not know was lost by Kafka, and is published again from the hold; a
 * rebuild would drop it, and with it a buyer's reservation (INV-2).
 * @param isLoaded a lane that is not loaded has no counts to settle by, and is loaded next: what has ended
 * there is left to the load.
 * @returns false when a settlement contradicts the lane or a hold cannot be read; all other holds were looked
 * at then.
 */
export async function settleHolds(
  deps: HoldDeps,
  lane: Lane,
  { ends, isLoaded }: Pick<HoldQuestion, 'ends' | 'isLoaded'>,
): Promise<boolean> {
  deps.onStep('verdicts', lane);
  const pages: Promise<boolean>[] = [];
  let isSound = true;
  let isDrained = false;
  let cursor = '0';
  try {
    do {
      const page = await deps.readHolds(lane, cursor, LIMITS.rebuildPageMax);
      cursor = page.cursor;
      // HSCAN answers a small hash whole, whatever the count.
      for (const holds of chunksOf(page.holds, LIMITS.rebuildPageMax)) {
        await deps.lease.renew(lane);
        const question = { holds, ends: isDrained ? undefined : ends, isLoaded };
        const settling = settlePage(deps, lane, question);
        settling.catch(() => undefined);
        pages.push(settling);
        // Once the intake has reached the ends it stays beyond them, so only the first question waits for it.
        if ((!isDrained || pages.length === PAGES_MAX) && (await pages.shift()) === false) isSound = false;
        isDrained = true;
      }
    } while (cursor !== '0');
    const results = await Promise.all(pages);
    return isSound && !results.includes(false);
  } finally {
    // The lease is given back next.
    await Promise.allSettled(pages);
  }
}

/**
 * Settles what ended between snapshot and load: the settler may have brought the settlement to the lane
 * before the load, which knew the order as pending. Whatever else the lane holds was just loaded from
 * Postgres.
 * @returns as settleHolds.
 */
export async function settleEndedSince(deps: HoldDeps, lane: Lane, since: SnapshotHorizon): Promise<boolean> {
  deps.onStep('verdicts', lane);
  let isSound = true;
  let after: string | undefined;
  do {
    const page = await deps.orderClient.readEnded(lane.saleId, since, after);
    for (const ended of chunksOf(page.ended, LIMITS.rebuildPageMax)) {
      if (!(await settleEnded(deps, lane, ended))) isSound = false;
      await deps.lease.renew(lane);
    }
    await deps.lease.renew(lane);
    after = page.after;
  } while (after !== undefined);
  return isSound;
}

/**
 * Applies everything that ever came back of paid orders: what Redis has of it changes nothing. Redis may
 * have lost returns without losing a reservation, as it may lose settlements (D26), and a page of a snapshot
 * may be older than a return.
 * @returns as settleHolds.
 */
export async function settleReturned(deps: HoldDeps, lane: Lane): Promise<boolean> {
  let isSound = true;
  let after: string | undefined;
  do {
    const page = await deps.orderClient.readReturned(lane.saleId, after);
    if (!(await settleEnded(deps, lane, page.ended))) isSound = false;
    await deps.lease.renew(lane);
    after = page.after;
  } while (after !== undefined);
  return isSound;
}

interface HoldQuestion {
  holds: StoredHold[];
  /** Order answers once it has stored what lies before them. */
  ends: KafkaEnds | undefined;
  isLoaded: boolean;
}

async function settlePage(
  deps: HoldDeps,
  lane: Lane,
  { holds, ends, isLoaded }: HoldQuestion,
): Promise<boolean> {
  const records = readRecords(deps, lane, holds);
  const areAllRead = records.size === holds.length;
  if (records.size === 0) return areAllRead;
  const request = { ...toQuestion(records), ...(ends && { ends }) };
  const { ended, unknown } = await deps.orderClient.readVerdicts(lane.saleId, request);
  const areAllSettled = !isLoaded || (await settleEnded(deps, lane, ended));
  await publishUnknown(deps, lane, records, unknown);
  return areAllRead && areAllSettled;
}

/** A hold that was taken again is asked about by its retake: its order had ended before. */
function toQuestion(records: Map<string, HoldRecord>): Pick<VerdictsRequest, 'reservationIds' | 'retakes'> {
  const reservationIds: string[] = [];
  const retakes: { reservationId: string; retake: string }[] = [];
  for (const [reservationId, record] of records) {
    const retake = retakeOf(record);
    if (retake === undefined) reservationIds.push(reservationId);
    else retakes.push({ reservationId, retake });
  }
  return { reservationIds, ...(retakes.length === 0 ? {} : { retakes }) };
}

/** Reads records. @returns them by reservation id. */
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
