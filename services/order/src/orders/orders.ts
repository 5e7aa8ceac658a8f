import {
  formatInstant,
  formatOrderCursor,
  LIMITS,
  parseOrderCursor,
  parseReservationId,
  type Metadata,
  type Money,
  type Order,
  type OrderPage,
  type OrderStatus,
} from '@seckill/contracts';
import { invariant, Problem, transaction, type Logger, type Pool, type PoolClient } from '@seckill/runtime';
import type { SharedMetrics } from '../metrics.ts';
import { applyNotice } from '../payments/payment-store.ts';
import type { Applied } from '../payments/payment.ts';
import { report } from '../payments/payments.ts';
import { refuse } from '../sales/sale-definition.ts';
import { endOrders } from '../ledger/settlement.ts';

export interface OrderQuery {
  userId: string;
  saleId?: string;
  status?: OrderStatus;
  limit?: number;
  cursor?: string;
}

interface OrderRow {
  id: string;
  sale_id: string;
  lines: { sku: string; quantity: number; price: number }[];
  amount: string;
  currency: string;
  channel_id: string | null;
  ref: string | null;
  metadata: Metadata | null;
  status: OrderStatus;
  reserved_at: Date;
  expires_at: Date;
  paid_at: Date | null;
  ended_at: Date | null;
  pickup_code: string | null;
  refund_due: Money | null;
}

const COLUMNS = `id, sale_id, lines, amount, currency, channel_id, ref, metadata, status, reserved_at, expires_at,
  paid_at, ended_at, pickup_code,
  (SELECT jsonb_build_object('amount', LEAST(sum(payments.amount), ${Number.MAX_SAFE_INTEGER}),
       'currency', payments.currency)
     FROM payments
     WHERE payments.order_id = orders.id AND result = 'refund_due' AND refunded_at IS NULL
     GROUP BY payments.currency HAVING sum(payments.amount) > 0
     ORDER BY payments.currency <> orders.currency, payments.currency LIMIT 1) AS refund_due`;

export interface OrdersDeps {
  pool: Pool;
  /** Tells the relay that there is something to publish. */
  wake: () => void;
  logger: Logger;
  metrics: SharedMetrics;
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
  async read(orderId: string, userId: string): Promise<Order> {
    // What is not one of our ids is stored nowhere. Postgres would even refuse some of it (NUL).
    if (parseReservationId(orderId) === undefined) throw new Problem('order_not_found');
    const { rows } = await this.#pool.query<OrderRow>(
      `SELECT ${COLUMNS} FROM orders WHERE id = $1 AND user_id = $2`,
      [orderId, userId],
    );
    if (rows[0] === undefined) throw new Problem('order_not_found');
    return toOrder(rows[0]);
  }

  /**
   * Gives the order up. Its units are for sale again.
   * @throws Problem `order_not_found`, also for a stranger's; `order_not_pending` when it ended otherwise.
   */
  async cancel(orderId: string, userId: string): Promise<Order> {
    const { order, isNew } = await this.#change(orderId, userId, 'cancelled', async (client) => {
      const ended = await endOrders(client, [orderId], 'cancelled');
      invariant(ended.length === 1, `order ${orderId} ended under its lock`);
    });
    if (isNew) {
      this.#deps.metrics.ordersEnded.inc({ verdict: 'cancelled' });
      this.#deps.wake();
    }
    return order;
  }

  /**
   * Pays without a provider, for trying things out. A notice of the right amount goes the same way as a
   * real one.
   * @throws Problem `order_not_found`, also for a stranger's; `order_not_pending` when it ended otherwise.
   */
  async paySandbox(orderId: string, userId: string): Promise<Order> {
    const applied: Applied[] = [];
    const { order } = await this.#change(orderId, userId, 'paid', async (client, { amount, currency }) => {
      const payment = { paymentId: `sandbox-${orderId}`, orderId, amount: Number(amount), currency };
      const notice = { ...payment, providerTimestamp: 'sandbox' };
      const application = await applyNotice(client, notice);
      invariant(application !== undefined, `order ${orderId} vanished under its lock`);
      applied.push({ ...payment, application });
    });
    report(applied, this.#deps);
    return order;
  }

  /**
   * Locks the owner's order and does the work if the order is pending. A repeat finds the order in the wanted
   * status.
   */
  async #change(
    orderId: string,
    userId: string,
    wanted: OrderStatus,
    work: (client: PoolClient, row: OrderRow) => Promise<void>,
  ): Promise<{ order: Order; isNew: boolean }> {
    if (parseReservationId(orderId) === undefined) throw new Problem('order_not_found');
    return transaction(this.#pool, async (client) => {
      const read = `SELECT ${COLUMNS} FROM orders WHERE id = $1 AND user_id = $2 FOR UPDATE`;
      const [row] = (await client.query<OrderRow>(read, [orderId, userId])).rows;
      if (row === undefined) throw new Problem('order_not_found');
      if (row.status === wanted) return { order: toOrder(row), isNew: false };
      if (row.status !== 'pending') {
        throw new Problem('order_not_pending', { extra: { orderStatus: row.status } });
      }
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
  async list({
    userId,
    saleId,
    status,
    limit = LIMITS.ordersPageDefault,
    cursor,
  }: OrderQuery): Promise<OrderPage> {
    const after =
      cursor === undefined ? undefined : (parseOrderCursor(cursor) ?? refuse('cursor_foreign', 'cursor'));
    const { rows } = await this.#pool.query<OrderRow>(
      `SELECT ${COLUMNS} FROM orders
       WHERE user_id = $1
         AND ($2::text IS NULL OR sale_id = $2)
         AND ($3::text IS NULL OR status = $3)
         AND ($4::timestamptz IS NULL OR (reserved_at, id) < ($4, $5::text))
       ORDER BY reserved_at DESC, id DESC
       LIMIT $6`,
      // One more than asked tells whether there is another page.
      [userId, saleId ?? null, status ?? null, after?.reservedAt ?? null, after?.id ?? null, limit + 1],
    );
    const data = rows.slice(0, limit).map(toOrder);
    const last = data.at(-1);
    return {
      data,
      ...(rows.length > limit && last !== undefined ? { nextCursor: formatOrderCursor(last) } : {}),
    };
  }
}

/** Orders as webhooks tell of them, by id: with the user, whom the receiver serves. */
export async function readOrders(
  client: PoolClient,
  ids: string[],
): Promise<[string, Order & { userId: string }][]> {
  if (ids.length === 0) return [];
  const { rows } = await client.query<OrderRow & { user_id: string }>(
    `SELECT user_id, ${COLUMNS} FROM orders WHERE id = ANY ($1::text[])`,
    [ids],
  );
  return rows.map((row) => [row.id, { ...toOrder(row), userId: row.user_id }]);
}

function toOrder(row: OrderRow): Order {
  const { currency } = row;
  return {
    id: row.id,
    saleId: row.sale_id,
    lines: row.lines.map(({ sku, quantity, price }) => ({
      sku,
      quantity,
      price: { amount: price, currency },
    })),
    ...(row.channel_id === null ? {} : { channelId: row.channel_id }),
    ...(row.ref === null ? {} : { ref: row.ref }),
    ...(row.metadata === null ? {} : { metadata: row.metadata }),
    status: row.status,
    amount: { amount: Number(row.amount), currency },
    reservedAt: formatInstant(row.reserved_at),
    expiresAt: formatInstant(row.expires_at),
    ...(row.paid_at === null ? {} : { paidAt: formatInstant(row.paid_at) }),
    ...(row.ended_at === null ? {} : { endedAt: formatInstant(row.ended_at) }),
    ...(row.pickup_code === null ? {} : { pickupCode: row.pickup_code }),
    ...(row.refund_due === null ? {} : { refundDue: row.refund_due }),
  };
}
