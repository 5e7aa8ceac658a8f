import { isDeepStrictEqual } from 'node:util';
import {
  formatInstant,
  INVARIANT_NAMES,
  type Audit,
  type AuditVerdict,
  type InvariantName,
  type LedgerReading,
} from '@seckill/contracts';
import {
  judgeConservation,
  judgeEpochs,
  judgeKeysAndLimits,
  judgeSequences,
  judgeUnits,
  sum,
  sumItems,
  type Finding,
} from './findings.ts';
import type { LaneState } from '../redis/lane-state.ts';

/**
 * What the engines hold of one sale, read in turn: Redis, Postgres, Redis, Postgres. Two equal readings of
 * each side mean that neither moved in the time that both pairs cover.
 */
export interface AuditReading {
  /** Both readings of Redis, lane by lane. */
  redis: [LaneState[], LaneState[]];
  postgres: [LedgerReading, LedgerReading];
  /**
   * Messages of any sale that Kafka had after the first reading of the side they come from, and that were not
   * stored or applied at the second reading of the side they go to.
   */
  kafkaLag: number;
  deadLetters: number;
  /** Holds in Redis that ended too long ago (INV-5). */
  overdueHolds: number;
  /** What is past its end was not looked at for long enough to be called stuck. */
  mayBeLate: boolean;
}

export interface Judgement {
  audit: Audit;
  /**
   * How far each broken invariant is off, else 0: units (INV-1, INV-3), reservations (INV-2, INV-5), keys
   * (INV-4), buyers and channels (INV-6).
   */
  drift: Record<InvariantName, number>;
}

/**
 * These invariants compare engines with each other, so they need both at rest. The others are facts of one
 * engine at one instant.
 */
const NEED_REST: ReadonlySet<InvariantName> = new Set(['INV-2', 'INV-3', 'INV-5']);

/**
 * The verdict on every invariant (docs/recovery.md, "Audit"). The function is pure: what was read decides,
 * and nothing else.
 */
export function judge(reading: AuditReading): Judgement {
  const [lanes, ledger] = [reading.redis[1], reading.postgres[1]];
  const reasons = whyInFlight(reading);
  const findings = [
    ...judgeUnits(lanes, ledger, reading.postgres[0]),
    ...judgeEpochs(lanes, ledger),
    ...judgeKeysAndLimits(ledger),
    ...(reasons.length === 0 ? judgeAtRest(lanes, reading) : []),
  ];
  const verdicts = Object.fromEntries(
    INVARIANT_NAMES.map((name): [InvariantName, AuditVerdict] => {
      if (findings.some(({ invariant }) => invariant === name)) return [name, 'broken'];
      return [name, NEED_REST.has(name) && reasons.length > 0 ? 'in_flight' : 'holds'];
    }),
  ) as Audit['invariants'];
  const audit: Audit = {
    saleId: ledger.saleId,
    asOf: formatInstant(ledger.now),
    epoch: ledger.epoch,
    redis: sumItems(lanes),
    postgres: ledger.items.map(({ sku, total, pending, paid }) => ({ sku, total, pending, paid })),
    inFlight: {
      outbox: sum(lanes.map(({ outbox }) => outbox)),
      kafkaLag: reading.kafkaLag,
      orderOutbox: ledger.orderOutbox,
      deadLetters: reading.deadLetters,
    },
    verdict: worstOf(Object.values(verdicts)),
    invariants: verdicts,
    findings: [
      ...findings.map(({ invariant, text }) => `${invariant}: ${text}`),
      ...reasons.map((reason) => `in flight: ${reason}`),
    ],
  };
  return { audit, drift: sumDrift(findings) };
}

function worstOf(verdicts: AuditVerdict[]): AuditVerdict {
  const order = ['broken', 'in_flight', 'holds'] as const;
  return order.find((verdict) => verdicts.includes(verdict)) ?? 'holds';
}

function sumDrift(findings: Finding[]): Judgement['drift'] {
  const drift = Object.fromEntries(INVARIANT_NAMES.map((name) => [name, 0])) as Judgement['drift'];
  for (const { invariant, amount } of findings) drift[invariant] += amount;
  return drift;
}

/**
 * Tells why the sale cannot be judged. The list is empty when both sides were at rest, and agreed on what the
 * sale is, while all four readings were taken.
 */
function whyInFlight({ redis, postgres, kafkaLag, mayBeLate }: AuditReading): string[] {
  const reasons: string[] = [];
  const [lanes, ledger] = [redis[1], postgres[1]];
  for (const [lane, { gate, epoch, isLoaded }] of lanes.entries()) {
    if (gate !== 'open' || !isLoaded) reasons.push(`the gate of lane ${lane} is ${gate}`);
    else if (epoch < ledger.epoch) reasons.push(`lane ${lane} stands at epoch ${epoch} of ${ledger.epoch}`);
    // This epoch is judged by itself, because it does not pass with time (judgeEpochs).
    else if (epoch > ledger.epoch) reasons.push(`Postgres lacks epoch ${epoch}`);
  }
  if (!isDeepStrictEqual(...mapPair(redis, (counts) => counts.map((count) => ({ ...count, now: 0 }))))) {
    reasons.push('Redis moved between two readings');
  }
  // `stored` and the replays move with every other sale, so they are left out.
  const still = (side: LedgerReading) => ({ ...side, now: 0, stored: [], replayedDeadLetters: 0 });
  if (!isDeepStrictEqual(...mapPair(postgres, still))) reasons.push('Postgres moved between two readings');
  const outbox = sum(lanes.map((lane) => lane.outbox));
  if (outbox > 0) reasons.push(`${outbox} reservations wait for Kafka`);
  if (kafkaLag > 0) reasons.push(`${kafkaLag} messages in Kafka are not stored or applied`);
  if (mayBeLate) reasons.push('holds past their end may still come back');
  if (ledger.orderOutbox > 0) reasons.push(`${ledger.orderOutbox} settlements wait for Kafka`);
  const totals = new Map(sumItems(lanes).map(({ sku, total }) => [sku, total]));
  for (const { sku, total } of ledger.items) {
    // Postgres has a restock first, and Redis an adjustment. A higher total in Redis is a finding of INV-1.
    if ((totals.get(sku) ?? total) < total) {
      reasons.push(`${sku}: a restock or adjustment is on its way to the other side`);
    }
  }
  return reasons;
}

function judgeAtRest(lanes: LaneState[], reading: AuditReading): Finding[] {
  const ledger = reading.postgres[1];
  const { overdue } = ledger;
  const { overdueHolds } = reading;
  const resale: Finding[] = [
    { invariant: 'INV-5', amount: overdue, text: `${overdue} orders are pending past their end` },
    {
      invariant: 'INV-5',
      amount: overdueHolds,
      text: `${overdueHolds} holds are kept past their end, or cannot be read`,
    },
  ];
  return [
    ...judgeSequences(lanes, ledger),
    ...judgeConservation(lanes, ledger),
    ...resale.filter(({ amount }) => amount > 0),
  ];
}

function mapPair<From, To>([first, second]: [From, From], to: (from: From) => To): [To, To] {
  return [to(first), to(second)];
}
