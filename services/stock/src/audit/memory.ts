import { INVARIANT_NAMES, type InvariantName } from '@seckill/contracts';
import type { Clock, Logger } from '@seckill/runtime';
import type { Judgement } from './judge.ts';

interface Sale {
  /** When the sale was tried last, by `clock`; -1: not yet. */
  attemptedAt: number;
  /**
   * When the sale was judged last. For a sale that was never judged, this is when it was first seen. The same
   * holds for `restedAt`.
   */
  judgedAt: number;
  /** Last time that nothing was in flight. */
  restedAt: number;
  /** How far each broken invariant is off. */
  broken: Map<InvariantName, number>;
}

/**
 * What the role knows of every sale, from judgement to judgement. A broken invariant stays broken until it
 * was seen to hold: "in flight" does not prove that it holds.
 */
export class AuditMemory {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #logger: Logger;
  readonly #sales = new Map<string, Sale>();
  #listedAt: number;

  constructor({ clock, logger }: { clock: Pick<Clock, 'now'>; logger: Logger }) {
    this.#clock = clock;
    this.#logger = logger;
    this.#listedAt = clock.now();
  }

  /**
   * Takes the sales there are, and forgets all others. @returns the sales, the one that waited longest first.
   */
  list(saleIds: string[]): string[] {
    const now = this.#clock.now();
    this.#listedAt = now;
    const known = new Set(saleIds);
    for (const [saleId, { broken }] of this.#sales) {
      if (known.has(saleId)) continue;
      this.#sales.delete(saleId);
      if (broken.size > 0) this.#logger.warn({ saleId }, 'audit: a sale was retired while broken');
    }
    for (const saleId of saleIds) {
      if (this.#sales.has(saleId)) continue;
      this.#sales.set(saleId, { attemptedAt: -1, judgedAt: now, restedAt: now, broken: new Map() });
    }
    const waits = [...this.#sales].sort(([, left], [, right]) => left.attemptedAt - right.attemptedAt);
    return waits.map(([saleId]) => saleId);
  }

  attempt(saleId: string): void {
    const sale = this.#sales.get(saleId);
    if (sale !== undefined) sale.attemptedAt = this.#clock.now();
  }

  /** Logs one line when an invariant becomes broken, and one when it holds again. */
  note({ audit, drift }: Judgement): void {
    const { saleId, invariants, findings, inFlight, epoch } = audit;
    const sale = this.#sales.get(saleId);
    if (sale === undefined) return;
    sale.judgedAt = this.#clock.now();
    if (!Object.values(invariants).includes('in_flight')) sale.restedAt = sale.judgedAt;
    for (const invariant of INVARIANT_NAMES) {
      const wasBroken = sale.broken.has(invariant);
      if (invariants[invariant] === 'broken') {
        sale.broken.set(invariant, drift[invariant]);
        const facts = { saleId, epoch, invariant, drift: drift[invariant], findings, inFlight };
        if (!wasBroken) this.#logger.error(facts, 'audit: an invariant is broken');
      } else if (invariants[invariant] === 'holds' && wasBroken) {
        sale.broken.delete(invariant);
        this.#logger.warn({ saleId, epoch, invariant }, 'audit: an invariant holds again');
      }
    }
  }

  /** In how many sales the invariant is broken, and by how much together. */
  broken(invariant: InvariantName): { sales: number; drift: number } {
    let [sales, drift] = [0, 0];
    for (const { broken } of this.#sales.values()) {
      const amount = broken.get(invariant);
      if (amount === undefined) continue;
      sales += 1;
      drift += amount;
    }
    return { sales, drift };
  }

  /** The longest time for which a sale was not judged, or the sales could not be listed. */
  get unjudgedSeconds(): number {
    return this.#since([this.#listedAt, ...[...this.#sales.values()].map(({ judgedAt }) => judgedAt)]);
  }

  /** The longest time for which something of a sale was in flight at every judgement. */
  get inFlightSeconds(): number {
    return this.#since([...this.#sales.values()].map(({ restedAt }) => restedAt));
  }

  #since(instants: number[]): number {
    const now = this.#clock.now();
    return instants.reduce((longest, at) => Math.max(longest, (now - at) / 1_000), 0);
  }
}
