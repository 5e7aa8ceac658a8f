import { transaction, type Pool } from '@seckill/runtime';
import { applyLateMoney } from '../payments/payment-store.ts';
import type { LateMoneyStore } from './late-money.ts';

export function createLateMoneyStore(pool: Pool): LateMoneyStore {
  return {
    async list({ countMax, except, giveUpSeconds }) {
      const { rows } = await pool.query<{ order_id: string; is_over: boolean }>(
        `SELECT order_id, min(result_at) < now() - make_interval(secs => $3) AS is_over
         FROM payments WHERE result = 'retaking' AND order_id <> ALL ($2::text[])
         GROUP BY order_id ORDER BY min(result_at), order_id LIMIT $1`,
        [countMax, except, giveUpSeconds],
      );
      return rows.map(({ order_id, is_over }) => ({ orderId: order_id, isOver: is_over }));
    },

    refund: (orderIds) =>
      transaction(pool, async (client) => {
        // The intake pays an order under the same lock. Whichever comes second finds no money that waits.
        await client.query('SELECT FROM orders WHERE id = ANY ($1::text[]) ORDER BY id FOR UPDATE', [
          orderIds,
        ]);
        return applyLateMoney(client, orderIds, new Set());
      }),
  };
}
