import {
  parseReservationId,
  type OrderStatus,
  type SealedOrder,
  type SealedOrderPage,
} from '@seckill/contracts';
import { invariant, Problem, transaction, type Pool } from '@seckill/runtime';
import { endOrders } from '../ledger/settlement.ts';
import { writeChange } from '../sales/sale-changes.ts';
import { assertInTime } from '../deadline.ts';
import type { Steering } from '../sales/steering.ts';
import { readOperatorOrders } from './order-row.ts';
import { selectOfUser, toOrderPage, type OrderQuery } from './order-page.ts';
import type { OrdersDeps } from './orders.ts';
import { storeReturn, type Return } from './returns.ts';
import { listSaleOrders, type SaleOrdersQuery } from './sale-orders.ts';

/** The orders of a sale, as operators see them. The operators' routes name the sale of the order. */
export class OperatorOrders {
  readonly #deps: OrdersDeps;

  constructor(deps: OrdersDeps) {
    this.#deps = deps;
  }

  /** @throws Problem `order_not_found` */
  async read(saleId: string, orderId: string): Promise<SealedOrder> {
    return readOperatorOrder(this.#deps.pool, saleId, orderId);
  }

  /** @throws Problem as `listSaleOrders` */
  async list(saleId: string, query: SaleOrdersQuery): Promise<SealedOrderPage> {
    return listSaleOrders(this.#deps.pool, saleId, query);
  }

  /**
   * The orders of one buyer over all sales, the newest first.
   * @throws Problem `invalid_request` when the cursor is not one of ours.
   */
  async listOfBuyer(query: OrderQuery): Promise<SealedOrderPage> {
    return toOrderPage(await readOperatorOrders(this.#deps.pool, ...selectOfUser(query)), query.limit);
  }

  /**
   * Gives up an order for its buyer. The units are for sale again; who did it and why stands in the audit
   * trail of the sale. A repeat changes nothing.
   * @throws Problem `order_not_found`; `order_not_pending` when it ended otherwise; `overloaded` when the
   * deadline has passed.
   */
  async cancel(saleId: string, orderId: string, operator: Omit<Steering, 'version'>): Promise<SealedOrder> {
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
      await assertInTime(client, operator);
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
      // Units that cost nothing leave no money for a person to give back.
      if (due > 0) metrics.refundsDue.inc({ reason: 'returned' });
      logger.info({ orderId, by: wanted.by }, 'orders: units of a paid order came back');
      wake();
    }
    return readOperatorOrder(pool, saleId, orderId);
  }
}

/** @throws Problem `order_not_found` */
export async function readOperatorOrder(pool: Pool, saleId: string, orderId: string): Promise<SealedOrder> {
  // What is not one of our ids is stored nowhere. Postgres would even refuse some of it (NUL).
  if (parseReservationId(orderId) === undefined) throw new Problem('order_not_found');
  const [order] = await readOperatorOrders(pool, 'orders WHERE id = $1 AND sale_id = $2', [orderId, saleId]);
  if (order === undefined) throw new Problem('order_not_found');
  return order;
}
