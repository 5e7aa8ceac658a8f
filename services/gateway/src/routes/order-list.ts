import {
  compareNewestFirst,
  formatOrderCursor,
  LIMITS,
  parseOrderCursor,
  type Order,
  type OrderPage,
  type OrdersQuery,
  type Reservation,
} from '@seckill/contracts';
import { Problem } from '@seckill/runtime';
import type { Static } from 'typebox';
import type { RouteDeps } from '../deps.ts';
import { findOrder, orderFromHold } from './order-search.ts';
import type { Trace } from '../upstream/trace.ts';

interface Wanted {
  query: Static<typeof OrdersQuery>;
  /** As the client sent it, with its question mark. */
  queryText: string;
  userId: string;
  trace: Trace;
}

/**
 * A page of the caller's orders: the rows, and what this gateway reserved for the caller and is no row yet.
 * Rows are asked first. Whatever is not among them is looked for once more by its id, because a row of
 * another status, or of an earlier page, is no row that is on its way.
 */
export async function listOrders(
  deps: RouteDeps,
  { query, queryText, userId, trace }: Wanted,
): Promise<OrderPage> {
  const { order, recent } = deps;
  const page = await order.orders(queryText, userId, trace);
  for (const { id } of page.data) recent.forget(id);
  const limit = query.limit === undefined ? LIMITS.ordersPageDefault : Number(query.limit);
  const after = query.cursor === undefined ? undefined : parseOrderCursor(query.cursor);
  const last = page.nextCursor === undefined ? undefined : page.data.at(-1);
  const candidates = recent.of(userId).filter((reservation) => {
    if (query.saleId !== undefined && reservation.saleId !== query.saleId) return false;
    if (query.status !== undefined && query.status !== reservation.status) return false;
    if (after !== undefined && compareNewestFirst(reservation, after) <= 0) return false;
    // What lies behind this page stands on a later one.
    return last === undefined || compareNewestFirst(reservation, last) < 0;
  });
  const newest = candidates.sort(compareNewestFirst).slice(0, limit);
  const underWay = await Promise.all(
    newest.map((reservation) => findUnderWay(deps, { reservation, userId, trace })),
  );
  // A row that was stored since the rows were read is on no page, unless it is shown on this one.
  const isWanted = (one: Order | undefined): one is Order =>
    one !== undefined && (query.status === undefined || one.status === query.status);
  const all = [...underWay.filter(isWanted), ...page.data].sort(compareNewestFirst);
  const data = all.slice(0, limit);
  const end = data.at(-1);
  const hasMore = page.nextCursor !== undefined || all.length > limit || candidates.length > limit;
  return { data, ...(hasMore && end !== undefined ? { nextCursor: formatOrderCursor(end) } : {}) };
}

/** The order as `GET /v1/orders/:orderId` shows it, or undefined when nothing is there. */
async function findUnderWay(
  deps: RouteDeps,
  { reservation, userId, trace }: { reservation: Reservation; userId: string; trace: Trace },
): Promise<Order | undefined> {
  const { id } = reservation;
  const row = await deps.order.order(id, userId, trace);
  if (row !== undefined) {
    deps.recent.forget(id);
    return row;
  }
  try {
    return await findOrder(deps, { orderId: id, userId, trace });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    // Redis cannot tell now, and the buyer was promised this order.
    if (error.code !== 'order_not_found') return orderFromHold(reservation);
    deps.recent.forget(id);
    return undefined;
  }
}
