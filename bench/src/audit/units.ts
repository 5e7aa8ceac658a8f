import type { OrderRow } from '../engines/rows.ts';

/** Units of an item that count against its limit: what came back does not, whatever became of it. */
export function takenOf({ lines, returned }: OrderRow, sku: string): number {
  let units = 0;
  for (const line of lines) if (line.sku === sku) units += line.quantity;
  for (const line of returned?.lines ?? []) if (line.sku === sku) units -= line.returned;
  return units;
}

export function isLive({ status }: OrderRow): boolean {
  return status === 'pending' || status === 'paid';
}

/**
 * Units of an item: what came back and is for sale again is not among them, and what was written off is, for
 * it is gone for good. Without an item, the units that buyers and channels have: neither counts.
 */
export function unitsOf(orders: OrderRow[], sku?: string): number {
  let units = 0;
  for (const { lines, returned } of orders) {
    for (const line of lines) if (sku === undefined || line.sku === sku) units += line.quantity;
    for (const line of returned?.lines ?? []) {
      if (sku === undefined) units -= line.returned;
      else if (line.sku === sku) units -= line.restocked;
    }
  }
  return units;
}

export function unitsBy(orders: OrderRow[], keyOf: (order: OrderRow) => string): Map<string, number> {
  const units = new Map<string, number>();
  for (const order of orders) {
    const key = keyOf(order);
    units.set(key, (units.get(key) ?? 0) + unitsOf([order]));
  }
  return units;
}

export function liveOrders(orders: OrderRow[]): OrderRow[] {
  return orders.filter(isLive);
}
