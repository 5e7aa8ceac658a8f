import type { BuyerHolds, Order } from '@seckill/contracts';
import { Problem, systemClock } from '@seckill/runtime';
import type { OrderClient } from '../upstream/order-client.ts';
import type { Trace } from '../upstream/trace.ts';

/** The most orders of one page. */
const PAGE = 100;
/** A row is there some 120 ms after it left the outbox. */
const WAIT_MS = 1_000;
const POLL_MS_MIN = 50;
const POLL_MS_MAX = 400;
/** Lists that wait at a time, each of which asks order some five times. Beyond this number none waits. */
const WAITERS_MAX = 100;
/**
 * A buyer's orders of a sale that did not become as many as they should are not waited for again within
 * this time: an order that was refused goes on counting until stock has heard of it, and the intake may be
 * away.
 */
const VAIN_MS = 30_000;
const VAIN_MAX = 10_000;
/** Sales of a buyer that one list looks at more closely. */
const SALES_MAX = 8;

/**
 * Waits for the rows of orders that are neither in PostgreSQL nor in Redis' outbox, so on their way through
 * Kafka. That there are any shows by their number: Redis counts what each buyer has reserved in a sale.
 */
export class LateRows {
  readonly #order: Pick<OrderClient, 'orders'>;
  readonly #vain = new Map<string, number>();
  #waiters = 0;

  constructor(order: Pick<OrderClient, 'orders'>) {
    this.#order = order;
  }

  /**
   * All rows of the sales of which the buyer has more orders than are known, the 100 newest of each.
   * @param known the orders that are known, of all sales.
   */
  async find(userId: string, holds: BuyerHolds[], known: Listed[], trace: Trace): Promise<Order[]> {
    const missing = holds.flatMap(({ saleId, taken }) => {
      const ofSale = known.filter((one) => one.saleId === saleId);
      const ids = addIds(ofSale, new Set());
      return ids.size >= taken || taken > PAGE ? [] : [{ saleId, taken, ids }];
    });
    const found = missing.slice(0, SALES_MAX).map((one) => this.#await(userId, one, trace));
    return (await Promise.all(found)).flat();
  }

  async #await(
    userId: string,
    { saleId, taken, ids }: { saleId: string; taken: number; ids: Set<string> },
    trace: Trace,
  ): Promise<Order[]> {
    const began = performance.now();
    const wanted = JSON.stringify([userId, saleId, taken]);
    const isVain = began - (this.#vain.get(wanted) ?? Number.NEGATIVE_INFINITY) < VAIN_MS;
    const isFull = this.#waiters >= WAITERS_MAX;
    let found: Order[] = [];
    this.#waiters += 1;
    try {
      for (let pauseMs = POLL_MS_MIN; ; pauseMs = Math.min(2 * pauseMs, POLL_MS_MAX)) {
        const query = `?saleId=${encodeURIComponent(saleId)}&limit=${PAGE}`;
        const rows = (await this.#order.orders(query, userId, trace)).data;
        found = rows;
        if (addIds(rows, ids).size >= taken || isVain || isFull) return rows;
        if (performance.now() - began > WAIT_MS) {
          this.#remember(wanted);
          return rows;
        }
        await systemClock.sleep(pauseMs);
      }
    } catch (error) {
      // The list is there, and only this further look at it failed.
      if (!(error instanceof Problem)) throw error;
      return found;
    } finally {
      this.#waiters -= 1;
    }
  }

  #remember(wanted: string): void {
    this.#vain.delete(wanted);
    this.#vain.set(wanted, performance.now());
    const [oldest] = this.#vain.keys();
    if (this.#vain.size > VAIN_MAX && oldest !== undefined) this.#vain.delete(oldest);
  }
}

type Listed = Pick<Order, 'id' | 'saleId' | 'status'>;

/** A refused order is none that the buyer has reserved, once stock has heard of it. */
function addIds(orders: Listed[], ids: Set<string>): Set<string> {
  for (const { id, status } of orders) if (status !== 'refused') ids.add(id);
  return ids;
}
