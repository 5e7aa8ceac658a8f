import { formatInstant, type FailedLine, type ReserveAnswer, type ReserveItem } from '@seckill/contracts';
import { InvariantError } from '@seckill/runtime';
import { isSameRequest } from '../redis/fingerprint.ts';
import type { Lane } from '../redis/keys.ts';
import { isBrokenLane, LaneContentError } from '../lane-content-error.ts';
import { parseRecord, toAsked, toReservation, type HoldRecord } from '../redis/hold-record.ts';
import type { ScriptAnswer } from '../redis/scripts.ts';

export interface Told {
  answer: ReserveAnswer;
  /** The record of a reservation that was made by this very call. */
  record?: HoldRecord;
}

/**
 * What reserve.lua answered, in the words of the contract. @throws InvariantError on an answer its header
 * does not name, LaneContentError on a record that no script of ours wrote.
 */
export function toTold(lane: Lane, item: ReserveItem, answer: ScriptAnswer): Told {
  const [outcome, text] = answer;
  if (outcome !== 'reserved' && outcome !== 'known') return { answer: toRejection(answer) };
  const record = parseRecord(String(text));
  const isOurs = record.userId === item.userId && record.idempotencyKey === item.idempotencyKey;
  if (!isOurs) throw new LaneContentError('the record under a key is of another key');
  if (outcome === 'known' && !isSameRequest(toAsked(record), item))
    return { answer: { outcome: 'key_reused' } };
  const reservation = toReservation(lane, record);
  if (outcome === 'known') {
    // A retake (docs/recovery.md) holds the units for an order whose money came late. Whether that money
    // pays the order is decided in Postgres. Until then the order has expired.
    const orderStatus = record.ended ?? (record.isRetake === true ? 'expired' : 'pending');
    return { answer: { outcome: 'reserved', replayed: true, reservation, orderStatus } };
  }
  return { answer: { outcome, replayed: false, reservation }, record };
}

function toRejection([outcome, ...facts]: ScriptAnswer): ReserveAnswer {
  const [first, second, third, fourth] = facts;
  switch (outcome) {
    case 'overloaded':
    case 'sale_paused':
    case 'sale_closed':
    case 'channel_not_found':
      return { outcome };
    case 'sale_unavailable':
      return { outcome, missing: first === 1 };
    case 'sale_not_open':
      return { outcome, opensAt: formatInstant(Number(first)), waitMs: Number(second) };
    case 'sku_not_found':
      return { outcome, sku: String(first), lines: toFailedLines(facts.slice(1)) };
    case 'item_paused':
      return {
        outcome,
        sku: String(first),
        retryable: second === 1,
        lines: toFailedLines(facts.slice(2)),
      };
    case 'quantity_not_allowed': {
      const rule = { sku: String(first), minimum: Number(second), step: Number(third) };
      return { outcome, ...rule, lines: toFailedLines(facts.slice(3)) };
    }
    case 'sold_out': {
      const told = { sku: String(first), available: Number(second) };
      const flags = { final: third === 1, retryable: fourth === 1 };
      return { outcome, ...told, ...flags, lines: toFailedLines(facts.slice(4)) };
    }
    case 'limit_reached': {
      const told = { limit: Number(first), held: Number(second), retryable: third === 1 };
      const lines = toFailedLines(facts.slice(4));
      return {
        outcome,
        ...(fourth === '' ? {} : { sku: String(fourth) }),
        ...told,
        ...(lines.length === 0 ? {} : { lines }),
      };
    }
    case 'holds_exceeded':
      return { outcome, holdsPerBuyerMax: Number(first) };
    case 'rejoin_later':
      return { outcome, waitMs: Number(first), retryable: second === 1 };
    case 'channel_full':
      return { outcome, cap: Number(first), retryable: second === 1 };
    case 'late':
      return { outcome, now: Number(first) };
    default:
      throw new InvariantError(`reserve.lua answered ${String(outcome)}`);
  }
}

function toFailedLines(facts: ScriptAnswer): FailedLine[] {
  const lines: FailedLine[] = [];
  for (let index = 0; index < facts.length; index += 3) {
    const [sku, code, available] = facts.slice(index, index + 3);
    lines.push({
      sku: String(sku),
      code: code as FailedLine['code'],
      ...(available === '' ? {} : { available: Number(available) }),
    });
  }
  return lines;
}

const NOT_SERVED =
  /^(LOADING|READONLY|MASTERDOWN|MISCONF|BUSY|NOREPLICAS|NOSCRIPT|MOVED|ASK|TRYAGAIN|CLUSTERDOWN) /;

/**
 * What a failed call means for the buyer. A script is atomic, so the question is only whether it ran. The
 * answer is "unknown" unless the script surely did not run (D14).
 */
export function toFailureAnswer(error: Error): ReserveAnswer {
  // These are ioredis' words for a command that was never written to the socket.
  if (/Stream isn't writeable/.test(error.message)) return { outcome: 'sale_unavailable', missing: false };
  // Redis refused before the script's first line: full memory, or not able to serve writes now.
  if (/^OOM /.test(error.message)) return { outcome: 'overloaded' };
  // What the key was told cannot be read any more, or counts contradict each other and nothing was taken. The
  // lane is loaded anew, and a repeat is answered.
  if (error instanceof LaneContentError || /^SECKILL_LANE_BROKEN /.test(error.message)) {
    return { outcome: 'sale_unavailable', missing: false };
  }
  // Nothing was written: the outbox had a higher id than the lane's next one. The lane is loaded anew.
  if (isBrokenLane(error) && / XADD | has exhausted /.test(error.message)) {
    return { outcome: 'sale_unavailable', missing: false };
  }
  // This is our own word for our own bug, and each script says that nothing was written.
  if (/^SECKILL_/.test(error.message)) return { outcome: 'internal' };
  // A node of a cluster also says before that first line that the lane is not its own, or not whole.
  if (NOT_SERVED.test(error.message)) {
    return { outcome: 'sale_unavailable', missing: false };
  }
  return { outcome: 'outcome_unknown' };
}
