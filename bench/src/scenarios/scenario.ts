import type { SaleDraft } from '../target/sale.ts';

/** A sale as the README tells it, and the crowd it meets. */
export interface Scenario {
  sale: SaleDraft & { id: string };
  /** How long the window stays open, seconds. */
  windowSeconds: number;
  /** Buyers per unit on offer in the demo. The number is well above 1, so that most buyers hear "no". */
  crowding: number;
}

/** Units on offer over all items. */
export function totalOf({ sale }: Scenario): number {
  return sale.items.reduce((sum, { total }) => sum + total, 0);
}
