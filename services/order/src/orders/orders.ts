import {
  parseReservationId,
  type Order,
  type OrderPage,
  type OrderStatus,
  type SealedOrder,
} from '@seckill/contracts';
import { invariant, Problem, transaction, type Logger, type Pool, type PoolClient } from '@seckill/runtime';
import type { SharedMetrics } from '../metrics.ts';
import { applyNotice } from '../payments/payment-store.ts';
import type { Applied } from '../payments/payment.ts';
import { report } from '../payments/payments.ts';
import { endOrders } from '../ledger/settlement.ts';
import { assertInTime } from '../deadline.ts';
import { selectOfUser, toOrderPage, type OrderQuery } from './order-page.ts';
import {
  CONTACT_COLUMNS,
  ORDER_COLUMNS,
  toOrder,
  toSealedOrder,
  type ContactRow,
  type OrderRow,
} from './order-row.ts';

export interface OrdersDeps {
  pool: Pool;
  /** Tells the relay that there is something to publish. */
  wake: () => void;
  logger: Logger;
  metrics: SharedMetrics;
}

interface Change {
  orderId: string;
  userId: string;
  /** The instant of Postgres' clock after which nothing is changed; milliseconds. */
  deadline: number | undefined;
}

/** Orders as their owners see them, and what an owner does with one. */
export class Orders {
  readonly #deps: OrdersDeps;
  readonly #pool: Pool;

  constructor(deps: OrdersDeps) {
    this.#deps = deps;
    this.#pool = deps.pool;
  }

  /**
   * @throws Problem `order_not_found`, also for a stranger's order: only its owner may know that it exists.
   */
  async read(orderId: string, userId: string): Promise<SealedOrder> {
    // What is not one of our ids is stored nowhere. Postgres would even refuse some of it (NUL).
    if (parseReservationId(orderId) === undefined) throw new Problem('order_not_found');
    const { rows } = await this.#pool.query<ContactRow>(
      `SELECT ${CONTACT_COLUMNS} FROM orders WHERE id = $1 AND user_id = $2`,
      [orderId, userId],
    );
    if (rows[0] === undefined) throw new Problem('order_not_found');
    return toSealedOrder(rows[0]);
  }

  /**
   * Gives the order up. The order's units are for sale again.
   * @throws Problem `order_not_found`, also for a stranger's; `order_not_pending` when it ended otherwise;
   * `overloaded` when the deadline has passed.
   */
  async cancel(orderId: string, userId: string, deadline?: number): Promise<Order> {
    const { order, isNew } = await this.#change(
      { orderId, userId, deadline },
      'cancelled',
      async (client) => {
        const ended = await endOrders(client, [orderId], 'cancelled');
        invariant(ended.length === 1, `order ${orderId} ended under its lock`);
      },
    );
    if (isNew) {
      this.#deps.metrics.ordersEnded.inc({ verdict: 'cancelled' });
      this.#deps.wake();
    }
    return order;
  }

  /**
   * Pays without a provider, for trying things out. A notice of the right amount goes the same way as a
   * real one.
   * @throws Problem `order_not_found`, also for a stranger's; `order_not_pending` when it ended otherwise, or
   * its group purchase failed; `overloaded` when the deadline has passed.
   */
  async paySandbox(orderId: string, userId: string, deadline?: number): Promise<Order> {
    const applied: Applied[] = [];
    const { order } = await this.#change(
      { orderId, userId, deadline },
      'paid',
      async (client, { amount, currency }) => {
        const payment = { paymentId: `sandbox-${orderId}`, orderId, amount: Number(amount), currency };
        const notice = { ...payment, providerTimestamp: 'sandbox' };
        const application = await applyNotice(client, notice);
        invariant(application !== undefined, `order ${orderId} vanished under its lock`);
        // The group purchase failed just now; the order ends in a moment, and nobody has sent money.
        if (application.result === 'refund_due' && application.reason === 'order_ended') {
          throw new Problem('order_not_pending', { extra: { orderStatus: 'expired' } });
        }
        applied.push({ ...payment, application });
      },
    );
    report(applied, this.#deps);
    return order;
  }

  /**
   * Locks the owner's order and does the work if the order is pending. A repeat finds the order in the wanted
   * status.
   */
  async #change(
    { orderId, userId, deadline }: Change,
    wanted: OrderStatus,
    work: (client: PoolClient, row: OrderRow) => Promise<void>,
  ): Promise<{ order: Order; isNew: boolean }> {
    if (parseReservationId(orderId) === undefined) throw new Problem('order_not_found');
    return transaction(this.#pool, async (client) => {
      const read = `SELECT ${ORDER_COLUMNS} FROM orders WHERE id = $1 AND user_id = $2 FOR UPDATE`;
      const [row] = (await client.query<OrderRow>(read, [orderId, userId])).rows;
      if (row === undefined) throw new Problem('order_not_found');
      if (row.status === wanted) return { order: toOrder(row), isNew: false };
      if (row.status !== 'pending') {
        throw new Problem('order_not_pending', { extra: { orderStatus: row.status } });
      }
      await assertInTime(client, { deadline });
      await work(client, row);
      const [changed] = (await client.query<OrderRow>(read, [orderId, userId])).rows;
      invariant(changed?.status === wanted, `order ${orderId} is not ${wanted}`);
      return { order: toOrder(changed), isNew: true };
    });
  }

  /**
   * Lists the newest orders first. A page continues after the last order seen and not after a count, so rows
   * stored meanwhile neither repeat nor hide an order.
   * @throws Problem `invalid_request` when the cursor is not one of ours.
   */
  async list(query: OrderQuery): Promise<OrderPage> {
    const [from, values] = selectOfUser(query);
    const { rows } = await this.#pool.query<OrderRow>(`SELECT ${ORDER_COLUMNS} FROM ${from}`, values);
    return toOrderPage(rows.map(toOrder), query.limit);
  }
}
