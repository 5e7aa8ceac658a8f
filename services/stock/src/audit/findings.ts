import type { Audit, InvariantName, LedgerReading } from '@seckill/contracts';
import type { LaneState } from '../redis/lane-state.ts';

/** One way in which an invariant is broken. */
export interface Finding {
  invariant: InvariantName;
  amount: number;
  text: string;
}

/**
 * Judges INV-1, from each side alone.
 * @param before the reading of Postgres before that of the lanes, which is before `ledger`.
 */
export function judgeUnits(lanes: LaneState[], ledger: LedgerReading, before: LedgerReading): Finding[] {
  const findings: Finding[] = [];
  const find = (amount: number, text: string) => {
    if (amount > 0) findings.push({ invariant: 'INV-1', amount, text });
  };
  for (const { sku, total, sold, pending, paid } of ledger.items) {
    const live = pending + paid;
    find(live - total, `${sku}: ${live} units live in Postgres, of ${total}`);
    find(Math.abs(sold - live), `${sku}: the ledger says ${sold} sold, the orders say ${live}`);
  }
  for (const [lane, { items, isLoaded }] of lanes.entries()) {
    // Half a snapshot proves nothing.
    if (!isLoaded) continue;
    for (const { sku, total, available, held, paid } of items) {
      const taken = held + paid;
      find(taken - total, `${sku}: ${taken} units held or paid in lane ${lane}, of ${total}`);
      find(-available, `${sku}: ${available} available in lane ${lane}`);
    }
  }
  const totals = new Map(ledger.items.map(({ sku, total }) => [sku, total]));
  for (const { sku, total } of sumItems(lanes)) {
    // A total grows in Postgres first, and Redis was read first; it is lowered in Redis first. One that moved
    // between the readings of Postgres is judged by the next audit.
    const sold = totals.get(sku) ?? 0;
    const isStill = before.items.find((item) => item.sku === sku)?.total === totals.get(sku);
    if (isStill) find(total - sold, `${sku}: Redis sells of ${total}, the sale has ${sold}`);
  }
  return findings;
}

/**
 * Judges INV-2. Redis was read first, and gets an epoch only after Postgres stored it. A higher epoch in
 * Redis means that Postgres was set back.
 */
export function judgeEpochs(lanes: LaneState[], { epoch: newest }: LedgerReading): Finding[] {
  return lanes.flatMap(({ epoch, sequence }, lane) => {
    if (epoch <= newest) return [];
    const text = `lane ${lane} stands at epoch ${epoch}, Postgres at ${newest}: it was set back`;
    return [{ invariant: 'INV-2' as const, amount: Math.max(1, sequence), text }];
  });
}

/** Judges INV-4 and INV-6 by Postgres' own facts, of one snapshot. */
export function judgeKeysAndLimits({ doubleKeys, overLimit, overCap }: LedgerReading): Finding[] {
  const facts: Finding[] = [
    { invariant: 'INV-4', amount: doubleKeys, text: `${doubleKeys} keys have more than one order` },
    { invariant: 'INV-6', amount: overLimit, text: `${overLimit} buyers have more than the limit` },
    { invariant: 'INV-6', amount: overCap, text: `${overCap} channels have more than their cap` },
  ];
  return facts.filter(({ amount }) => amount > 0);
}

/** Judges INV-2: every sequence is a reservation that a buyer was told of, or may have been. */
export function judgeSequences(lanes: LaneState[], ledger: LedgerReading): Finding[] {
  const findings: Finding[] = [];
  for (const [lane, { sequence }] of lanes.entries()) {
    const stored = ledger.lanes.find((other) => other.lane === lane) ?? { sequence: 0, gaps: 0 };
    if (stored.gaps > 0) {
      const text = `${stored.gaps} reservations of lane ${lane} were never stored`;
      findings.push({ invariant: 'INV-2', amount: stored.gaps, text });
    }
    if (sequence !== stored.sequence) {
      const text = `lane ${lane} made ${sequence} reservations, the last one stored is ${stored.sequence}`;
      findings.push({ invariant: 'INV-2', amount: Math.abs(sequence - stored.sequence), text });
    }
  }
  return findings;
}

/** Judges INV-3, within each lane and between Redis and Postgres. */
export function judgeConservation(lanes: LaneState[], ledger: LedgerReading): Finding[] {
  const findings: Finding[] = [];
  const find = (difference: number, text: string) => {
    if (difference !== 0) findings.push({ invariant: 'INV-3', amount: Math.abs(difference), text });
  };
  for (const [lane, { items }] of lanes.entries()) {
    for (const { sku, total, available, held, paid } of items) {
      const counted = available + held + paid;
      find(counted - total, `${sku}: lane ${lane} counts ${counted} units, of ${total}`);
    }
  }
  const inRedis = new Map(sumItems(lanes).map((item) => [item.sku, item]));
  for (const { sku, total, pending, paid } of ledger.items) {
    const item = inRedis.get(sku);
    inRedis.delete(sku);
    if (item === undefined) {
      find(total, `${sku}: Redis does not have it`);
      continue;
    }
    find(item.held - pending, `${sku}: ${item.held} held in Redis, ${pending} pending in Postgres`);
    find(item.paid - paid, `${sku}: ${item.paid} paid in Redis, ${paid} in Postgres`);
  }
  // An item that Postgres does not have is a finding of INV-1 (judgeUnits): Redis sells what the sale lacks.
  return findings;
}

/** Makes one item of each SKU, over all lanes. */
export function sumItems(lanes: LaneState[]): Audit['redis'] {
  const bySku = new Map<string, Audit['redis'][number]>();
  for (const { sku, total, available, held, paid } of lanes.flatMap(({ items }) => items)) {
    const before = bySku.get(sku) ?? { sku, total: 0, available: 0, held: 0, paid: 0 };
    bySku.set(sku, {
      sku,
      total: before.total + total,
      available: before.available + available,
      held: before.held + held,
      paid: before.paid + paid,
    });
  }
  return [...bySku.values()];
}

export function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
