import { randomUUID } from 'node:crypto';
import type { SaleOutcomes } from '@seckill/contracts';

/** Sales that are counted. The one that was asked for longest ago makes room. */
const SALES_MAX = 200;

/**
 * What is answered also when nobody made such a sale, or when nobody could be asked. Any name brings these
 * about, so they alone must not push out a sale that sells.
 */
const PROVES_NO_SALE: ReadonlySet<string> = new Set([
  'sale_unavailable',
  'outcome_unknown',
  'overloaded',
  'invalid_request',
  'internal',
]);

/**
 * Counts how this gateway answered reservations, by sale and outcome. The metrics have no sale in their
 * labels, because nobody bounds how many sales there are.
 */
export class OutcomeTally {
  readonly #id = randomUUID();
  readonly #now: () => number;
  /** The sale that was asked for last is the last one. */
  readonly #sales = new Map<string, Map<string, number>>();

  constructor(now: () => number) {
    this.#now = now;
  }

  add(saleId: string, outcome: string): void {
    const known = this.#sales.get(saleId);
    if (known === undefined && PROVES_NO_SALE.has(outcome)) return;
    const counts = known ?? this.#open(saleId);
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }

  read(saleId: string): SaleOutcomes {
    const counts = this.#sales.get(saleId);
    if (counts !== undefined) {
      this.#sales.delete(saleId);
      this.#sales.set(saleId, counts);
    }
    return {
      saleId,
      gateway: this.#id,
      atMs: this.#now(),
      outcomes: Object.fromEntries(counts ?? []),
    };
  }

  #open(saleId: string): Map<string, number> {
    if (this.#sales.size >= SALES_MAX) {
      for (const oldest of this.#sales.keys()) {
        this.#sales.delete(oldest);
        break;
      }
    }
    const counts = new Map<string, number>();
    this.#sales.set(saleId, counts);
    return counts;
  }
}
