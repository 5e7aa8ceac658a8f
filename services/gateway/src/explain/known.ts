import type { OrderStanding, SaleState, StockStanding, StockState } from '@seckill/contracts';
import { retiredState, saleState, soldOutOf, viewSale, type SaleView } from '../sales/sale-view.ts';

/** What the services told of a sale, as far as they could be asked. */
export interface Known {
  /** Absent: stock gave no answer that can be used. */
  stock?: StockStanding;
  /** Since when. */
  stockAwaySince?: number;
  order?: OrderStanding;
  /** Why order told nothing, and since when. */
  orderAway?: { cause: 'order_away' | 'order_older' | 'postgres_away'; since?: number };
}

/** What an item can sell now. */
export type ItemStanding = Pick<
  SaleView['items'][number],
  'sku' | 'available' | 'soldOut' | 'paused' | 'minQuantity' | 'step'
>;

/** What Redis says, where its gate is open; and of a sale that it may have forgotten, the last counts. */
export function countedState({ stock, order }: Known): StockState | undefined {
  const retired = order === undefined ? undefined : retiredState(order.record);
  return retired ?? (stock?.state?.gate === 'open' ? stock.state : undefined);
}

/**
 * The state by which stock decides; while it cannot sell, what was decided otherwise. Undefined: nobody can
 * tell.
 */
export function stateOf(known: Known): SaleState | undefined {
  const counted = countedState(known);
  if (counted !== undefined) return saleState(counted);
  if (known.order !== undefined) {
    const { record, now } = known.order;
    const { opensAt, closesAt } = record.definition;
    const judged = { state: record.state, now, opensAt: Date.parse(opensAt), closesAt: Date.parse(closesAt) };
    const decided = saleState({ gate: 'open', ...judged });
    return decided === 'open' ? 'loading' : decided;
  }
  return known.stock?.state === undefined || isUnheardOf(known) ? undefined : 'loading';
}

/**
 * Redis has no lane, and nobody tells whether there should be one: the sale may be over long since, or never
 * have been. A stock that has seen the lane closed has heard of the sale from order.
 */
export function isUnheardOf({ stock, order }: Known): boolean {
  return order === undefined && stock?.state?.gate === 'missing' && stock.closedSince === undefined;
}

/** Items and kits with what they can sell; empty while Redis cannot be asked. */
export function itemStandings(known: Known): ItemStanding[] {
  const counted = countedState(known);
  if (counted === undefined) return [];
  if (known.order !== undefined) return viewSale(known.order.record, counted).items;
  return counted.items.map(({ total, held, ...item }) => ({
    ...item,
    soldOut: soldOutOf({ ...item, total, held }, saleState(counted)),
  }));
}

/** The least quantity of which a line of the item may be. */
export const leastQuantity = ({ minQuantity, step }: Pick<ItemStanding, 'minQuantity' | 'step'>): number =>
  minQuantity ?? step ?? 1;
