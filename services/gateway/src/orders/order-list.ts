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
import { LateRows } from './late-rows.ts';
import { findUnstored, orderFromHold } from './order-search.ts';
import type { Trace } from '../upstream/trace.ts';

interface Wanted {
  query: Static<typeof OrdersQuery>;
  /** The query as the client sent it, with its question mark. */
  queryText: string;
  userId: string;
  trace: Trace;
}

/** So many orders of a page that have no row are looked at together. */
const LOOKS_TOGETHER = 8;
/**
 * Looks that this gateway has under way at once, for all pages together. Each look asks order and stock.
 * While Kafka is away every list has orders without a row, and beyond this number an order is shown as the
 * buyer was told of it, without a look.
 */
const LOOKS_MAX = 200;

/**
 * Pages of the caller's orders: the rows, and what is no row yet. What waits in Redis for Kafka stock tells,
 * what this gateway reserved itself it knows, and the rest is on its way through Kafka and waited for (D95).
 * Whatever has no row among these is looked for once more by its id, because a row of another status, or of
 * an earlier page, is no row that is on its way.
 */
export class OrderList {
  readonly #deps: RouteDeps;
  readonly #lateRows: LateRows;
  #looks = 0;

  constructor(deps: RouteDeps) {
    this.#deps = deps;
    this.#lateRows = new LateRows(deps.order);
  }

  async page({ query, queryText, userId, trace }: Wanted): Promise<OrderPage> {
    const { order, stock, recent } = this.#deps;
    // What has no row is pending, as far as anybody knows.
    const mayBeUnderWay = query.status === undefined || query.status === 'pending';
    const [page, holds] = await Promise.all([
      order.orders(queryText, userId, trace),
      mayBeUnderWay ? stock.buyerHolds(userId, query.saleId, trace) : [],
    ]);
    for (const { id } of page.data) recent.forget(id);
    const limit = query.limit === undefined ? LIMITS.ordersPageDefault : Number(query.limit);
    const after = query.cursor === undefined ? undefined : parseOrderCursor(query.cursor);
    const last = page.nextCursor === undefined ? undefined : page.data.at(-1);
    const onPage = new Set(page.data.map(({ id }) => id));
    const belongs = (one: Order): boolean => {
      if (onPage.has(one.id)) return false;
      if (query.saleId !== undefined && one.saleId !== query.saleId) return false;
      if (query.status !== undefined && query.status !== one.status) return false;
      if (after !== undefined && compareNewestFirst(one, after) <= 0) return false;
      // What lies behind this page stands on a later one.
      return last === undefined || compareNewestFirst(one, last) < 0;
    };
    const waiting = holds.flatMap(({ unpublished }) => unpublished).filter((one) => one.userId === userId);
    const told = new Map(waiting.map((one) => [one.id, one]));
    for (const one of recent.of(userId)) told.set(one.id, one);
    // The first page has waited for what was reserved before it, and what came later stands before this one.
    const known = [...page.data, ...told.values()];
    const rows = after === undefined ? await this.#lateRows.find(userId, holds, known, trace) : [];
    for (const row of rows) told.delete(row.id);
    const late = rows.filter(belongs);
    for (const { id } of late) onPage.add(id);
    const candidates = [...told.values()].filter(belongs);
    candidates.sort(compareNewestFirst);
    const underWay: Order[] = [];
    // One more than asked tells whether there is another page.
    while (underWay.length <= limit && candidates.length > 0) {
      const some = candidates.splice(0, LOOKS_TOGETHER);
      const found = await Promise.all(some.map((reservation) => this.#find(reservation, trace)));
      for (const one of found) {
        // A row that was stored since the rows were read is on no page, unless it is shown on this one.
        const isWanted = query.status === undefined || one?.status === query.status;
        if (one !== undefined && isWanted) underWay.push(one);
      }
    }
    const all = [...late, ...underWay, ...page.data].sort(compareNewestFirst);
    const data = all.slice(0, limit);
    const end = data.at(-1);
    const hasMore = page.nextCursor !== undefined || all.length > limit;
    return { data, ...(hasMore && end !== undefined ? { nextCursor: formatOrderCursor(end) } : {}) };
  }

  /** The order as the list of rows shows it, or undefined when nothing is there. */
  async #find(reservation: Reservation, trace: Trace): Promise<Order | undefined> {
    const { order, recent } = this.#deps;
    const { id, userId } = reservation;
    if (this.#looks >= LOOKS_MAX) return orderFromHold(reservation);
    this.#looks += 1;
    try {
      const row = await order.order(id, userId, trace);
      if (row !== undefined) recent.forget(id);
      return withoutContact(row ?? (await findUnstored(this.#deps, { orderId: id, userId, trace })));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      // Redis cannot tell now, and the buyer was promised this order.
      if (error.code !== 'order_not_found') return orderFromHold(reservation);
      recent.forget(id);
      return undefined;
    } finally {
      this.#looks -= 1;
    }
  }
}

/** No list of a buyer's own orders has their contacts. */
function withoutContact({ contact: _contact, ...order }: Order): Order {
  return order;
}
