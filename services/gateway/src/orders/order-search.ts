import { parseReservationId, type Order, type Reservation } from '@seckill/contracts';
import { Problem } from '@seckill/runtime';
import type { ApiDeps } from '../deps.ts';
import type { Trace } from '../upstream/trace.ts';

interface Wanted {
  orderId: string;
  /** Absent: an operator wants it, whoever owns it. */
  userId?: string | undefined;
  trace: Trace;
}

/**
 * Finds the row, or the hold while the row is on its way. The row is looked for again after the hold, because
 * a hold may have been settled between the two looks. A stranger learns nothing but 404.
 * @throws Problem `order_not_found`; `order_not_ready` when neither row nor hold is there and Redis cannot
 * tell.
 */
export async function findOrder(deps: ApiDeps, wanted: Wanted): Promise<Order> {
  const { orderId, userId, trace } = wanted;
  if (parseReservationId(orderId) === undefined) throw new Problem('order_not_found');
  return (await deps.order.order(orderId, userId, trace)) ?? findUnstored(deps, wanted);
}

/** Finds the order whose row was not there a moment ago. @throws as findOrder */
export async function findUnstored(deps: ApiDeps, { orderId, userId, trace }: Wanted): Promise<Order> {
  const { order, stock } = deps;
  const saleId = parseReservationId(orderId)?.saleId;
  if (saleId === undefined) throw new Problem('order_not_found');
  const hold = await stock.hold(orderId, trace);
  if (hold !== undefined) {
    const contact = hold.contact === undefined ? {} : { contact: hold.contact };
    // Nobody has paid for it yet.
    if (userId === undefined) return { ...hold.reservation, ...contact, payments: [] };
    if (hold.userId === userId) return { ...orderFromHold(hold.reservation), ...contact };
    throw new Problem('order_not_found');
  }
  // This is asked before the row is looked for again: once the lane is open, everything that was promised is
  // stored.
  const canTell = await canStockTell(deps, saleId, trace);
  const settled = await order.order(orderId, userId, trace);
  if (settled !== undefined) return settled;
  throw new Problem(canTell ? 'order_not_found' : 'order_not_ready');
}

/**
 * While a lane is checked or rebuilt, a missing hold says nothing: Redis may have lost the hold, and its row
 * may still be on its way from Kafka (INV-2). A sale that order does not know, or has retired, has no lane
 * and never will.
 */
async function canStockTell({ order, stock }: ApiDeps, saleId: string, trace: Trace): Promise<boolean> {
  if ((await stock.state(saleId, trace)).gate === 'open') return true;
  try {
    return (await order.sale(saleId, trace)).retired !== undefined;
  } catch (error) {
    if (error instanceof Problem && error.code === 'sale_not_found') return true;
    throw error;
  }
}

/** The order that a reservation becomes, before its row is there. */
export function orderFromHold({ userId: _owner, ...order }: Reservation): Order {
  return order;
}
