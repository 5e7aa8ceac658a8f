import {
  formatOrderCursor,
  LIMITS,
  parseOrderCursor,
  parseReservationId,
  type OrderStatus,
  type SealedOrder,
  type SealedOrderPage,
} from '@seckill/contracts';
import { invariant, Problem, transaction, type Pool } from '@seckill/runtime';
import { endOrders } from '../ledger/settlement.ts';
import { writeChange } from '../sales/sale-changes.ts';
import { refuse } from '../sales/sale-definition.ts';
import type { Operator } from '../sales/steering.ts';
import { readOperatorOrders } from './order-row.ts';
import type { OrdersDeps } from './orders.ts';
import { storeReturn, type Return } from './returns.ts';

export interface SaleOrdersQuery {
  status?: OrderStatus;
  userId?: string;
  channelId?: string;
  sku?: string;
  pickupCode?: string;
  /** Only orders that were reserved at this instant or later. */
  since?: Date;
  limit?: number;
  cursor?: string;
}

const STATUSES: readonly OrderStatus[] = ['pending', 'paid', 'cancelled', 'expired', 'refused'];
/**
 * No index leads to the orders with a line of an item. A page by `sku` looks at these many at most, in parts,
 * and goes on with the next page: 20 ms of a million orders.
 */
const LOOKED_AT_MAX = 2_000;
const LOOKED_AT_ONCE = 500;

/** The orders of a sale, as operators see them. Their routes name the sale of the order. */
export class OperatorOrders {
  readonly #deps: OrdersDeps;

  constructor(deps: OrdersDeps) {
    this.#deps = deps;
  }

  /** @throws Problem `order_not_found` */
  async read(saleId: string, orderId: string): Promise<SealedOrder> {
    return readOperatorOrder(this.#deps.pool, saleId, orderId);
  }

  /**
   * Lists the newest first. A page continues after the last order looked at: what is stored meanwhile neither
   * repeats nor hides an order.
   * @returns with `sku`, a page may be short and yet have a `nextCursor`.
   * @throws Problem `sale_not_found`; `invalid_request` when the cursor is not one of ours.
   */
  async list(saleId: string, query: SaleOrdersQuery): Promise<SealedOrderPage> {
    const { sku, limit = LIMITS.ordersPageDefault, cursor, pickupCode } = query;
    const { pool } = this.#deps;
    const { rowCount } = await pool.query('SELECT FROM sales WHERE id = $1', [saleId]);
    if (rowCount === 0) throw new Problem('sale_not_found');
    if (pickupCode !== undefined) {
      const ids = await findByPickupCode(pool, saleId, pickupCode);
      if (ids.length === 0) return { data: [] };
      const { data } = await this.#page(saleId, query, ids.length, ids);
      return {
        data: data.filter(({ lines }) => sku === undefined || lines.some((line) => line.sku === sku)),
      };
    }
    if (sku === undefined) return this.#page(saleId, query, limit);
    const data: SealedOrder[] = [];
    let nextCursor = cursor;
    for (let lookedAt = 0; lookedAt < LOOKED_AT_MAX; lookedAt += LOOKED_AT_ONCE) {
      const from = nextCursor === undefined ? {} : { cursor: nextCursor };
      const page = await this.#page(saleId, { ...query, ...from }, LOOKED_AT_ONCE);
      const found = page.data.filter(({ lines }) => lines.some((line) => line.sku === sku));
      data.push(...found.slice(0, limit - data.length));
      nextCursor = page.nextCursor;
      const last = data.at(-1);
      const hasMore = nextCursor !== undefined || found.at(-1)?.id !== last?.id;
      if (data.length === limit && last !== undefined) {
        return { data, ...(hasMore ? { nextCursor: formatOrderCursor(last) } : {}) };
      }
      if (nextCursor === undefined) return { data };
    }
    invariant(nextCursor !== undefined, 'a list that ends has ended above');
    return { data, nextCursor };
  }

  /**
   * Each status has its part of an index, in the order of the list, so a page reads as many rows as it shows
   * of each status, and not those of the others.
   */
  async #page(
    saleId: string,
    query: SaleOrdersQuery,
    limit: number,
    ids?: string[],
  ): Promise<SealedOrderPage> {
    const { status, userId, channelId, since, cursor } = query;
    const after =
      cursor === undefined ? undefined : (parseOrderCursor(cursor) ?? refuse('cursor_foreign', 'cursor'));
    const parts = (status === undefined ? STATUSES : [status]).map(
      (one) => `(SELECT * FROM orders WHERE sale_id = $1 AND status = '${one}'
        AND ($2::text IS NULL OR user_id = $2) AND ($3::text IS NULL OR channel_id = $3)
        AND ($4::timestamptz IS NULL OR reserved_at >= $4)
        AND ($8::text[] IS NULL OR id = ANY ($8))
        AND ($5::timestamptz IS NULL OR (reserved_at, id) < ($5, $6::text))
        ORDER BY reserved_at DESC, id DESC LIMIT $7)`,
    );
    const orders = await readOperatorOrders(
      this.#deps.pool,
      `(${parts.join(' UNION ALL ')}) AS orders ORDER BY reserved_at DESC, id DESC LIMIT $7`,
      [
        saleId,
        userId ?? null,
        channelId ?? null,
        since ?? null,
        after?.reservedAt ?? null,
        after?.id ?? null,
        // One more than asked tells whether there is another page.
        limit + 1,
        ids ?? null,
      ],
    );
    const data = orders.slice(0, limit);
    const last = data.at(-1);
    return {
      data,
      ...(orders.length > limit && last !== undefined ? { nextCursor: formatOrderCursor(last) } : {}),
    };
  }

  /**
   * Gives up an order for its buyer. The units are for sale again; who did it and why stands in the audit
   * trail of the sale. A repeat changes nothing.
   * @throws Problem `order_not_found`; `order_not_pending` when it ended otherwise.
   */
  async cancel(saleId: string, orderId: string, operator: Operator): Promise<SealedOrder> {
    const { pool, metrics, wake } = this.#deps;
    const isNew = await transaction(pool, async (client) => {
      // The sale comes before orders and ledger, as everywhere; the row of the trail refers to it.
      const [sale] = (
        await client.query<{ version: string }>('SELECT version FROM sales WHERE id = $1 FOR KEY SHARE', [
          saleId,
        ])
      ).rows;
      const [row] = (
        await client.query<{ status: OrderStatus }>(
          'SELECT status FROM orders WHERE id = $1 AND sale_id = $2 FOR UPDATE',
          [orderId, saleId],
        )
      ).rows;
      if (sale === undefined || row === undefined) throw new Problem('order_not_found');
      if (row.status === 'cancelled') return false;
      if (row.status !== 'pending') {
        throw new Problem('order_not_pending', { extra: { orderStatus: row.status } });
      }
      const ended = await endOrders(client, [orderId], 'cancelled');
      invariant(ended.length === 1, `order ${orderId} ended under its lock`);
      const change = {
        saleId,
        version: Number(sale.version),
        action: 'cancel_order' as const,
        before: { orderId, status: row.status },
        after: { orderId, status: 'cancelled' },
      };
      await writeChange(client, change, operator);
      return true;
    });
    if (isNew) {
      metrics.ordersEnded.inc({ verdict: 'cancelled' });
      wake();
    }
    return readOperatorOrder(pool, saleId, orderId);
  }

  /**
   * Takes units of a paid order back. Money for them is due for refund.
   * @throws Problem as `storeReturn`
   */
  async giveBack(wanted: Return): Promise<SealedOrder> {
    const { pool, metrics, logger, wake } = this.#deps;
    const { saleId, orderId } = wanted;
    if (parseReservationId(orderId) === undefined) throw new Problem('order_not_found');
    const due = await storeReturn(pool, wanted);
    if (due !== undefined) {
      // Nobody has to give nothing back.
      if (due > 0) metrics.refundsDue.inc({ reason: 'returned' });
      logger.info({ orderId, by: wanted.by }, 'orders: units of a paid order came back');
      wake();
    }
    return readOperatorOrder(pool, saleId, orderId);
  }
}

/**
 * The orders that a code names at the pick-up points of the sale, and in the sale itself. There are as many
 * at most as the sale has points.
 */
async function findByPickupCode(pool: Pool, saleId: string, code: string): Promise<string[]> {
  const { rows } = await pool.query<{ order_id: string }>(
    `SELECT order_id FROM pickup_codes WHERE code = $2 AND scope IN (
       SELECT 'sale:' || $1 UNION
       SELECT 'point:' || (channel ->> 'pickupPointId')
       FROM sales CROSS JOIN LATERAL jsonb_array_elements(definition -> 'channels') AS channel WHERE sales.id = $1)`,
    [saleId, code],
  );
  return rows.map(({ order_id }) => order_id);
}

/** @throws Problem `order_not_found` */
export async function readOperatorOrder(pool: Pool, saleId: string, orderId: string): Promise<SealedOrder> {
  // What is not one of our ids is stored nowhere. Postgres would even refuse some of it (NUL).
  if (parseReservationId(orderId) === undefined) throw new Problem('order_not_found');
  const [order] = await readOperatorOrders(pool, 'orders WHERE id = $1 AND sale_id = $2', [orderId, saleId]);
  if (order === undefined) throw new Problem('order_not_found');
  return order;
}
