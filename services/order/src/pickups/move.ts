import { formatInstant, type OrderStatus, type SaleDefinition } from '@seckill/contracts';
import { invariant, Problem, transaction, type Pool, type PoolClient } from '@seckill/runtime';
import { claimPickupCodes, makeRandomCode, pickupScope } from '../ledger/pickup-codes.ts';
import { writeChange } from '../sales/sale-changes.ts';
import { assertInTime } from '../deadline.ts';
import type { Steering } from '../sales/steering.ts';

export interface Move extends Omit<Steering, 'version'> {
  saleId: string;
  orderId: string;
  /** The channel that is to hand the order out. */
  channelId: string;
}

interface MovingRow {
  status: OrderStatus;
  channel_id: string | null;
  pickup_channel_id: string | null;
  pickup_code: string | null;
  picked_up_at: Date | null;
}

/**
 * Lets another channel hand an order out (D84). The order stays with the channel that it came through, so
 * caps, counts and commission do not change, and Redis need not know. The order keeps its code where no other
 * order at the new pick-up point has it, and the old point gives it to nobody else. A repeat changes nothing.
 * @throws Problem `order_not_found`, `channel_not_found`; `order_not_pending` for one that ended unpaid;
 * `already_picked_up`; `overloaded` when the deadline has passed.
 */
export async function moveOrder(
  pool: Pool,
  { saleId, orderId, channelId, ...steering }: Move,
): Promise<void> {
  await transaction(pool, async (client) => {
    // The sale comes before orders and ledger, as everywhere; the row of the trail refers to it.
    const sale = await readSale(client, saleId);
    const row = await lockOrder(client, saleId, orderId);
    if (sale === undefined || row === undefined) throw new Problem('order_not_found');
    if (row.picked_up_at !== null) {
      throw new Problem('already_picked_up', { extra: { at: formatInstant(row.picked_up_at) } });
    }
    if (row.status !== 'paid' && row.status !== 'pending') {
      throw new Problem('order_not_pending', { extra: { orderStatus: row.status } });
    }
    const to = sale.channels.find(({ id }) => id === channelId);
    if (to === undefined) throw new Problem('channel_not_found');
    const before = row.pickup_channel_id ?? row.channel_id;
    if (before === channelId) return;
    await assertInTime(client, steering);
    const from = sale.channels.find(({ id }) => id === before);
    const scopes = [from, to].map((one) => pickupScope({ saleId, pickupPointId: one?.pickupPointId }));
    await client.query('UPDATE orders SET pickup_channel_id = NULLIF($2, channel_id) WHERE id = $1', [
      orderId,
      channelId,
    ]);
    const { pickup_code: code } = row;
    const isCodeMoved = code !== null && scopes[0] !== scopes[1];
    const newCode = isCodeMoved ? await moveCode(client, orderId, code, scopes[1] ?? '') : code;
    const change = {
      saleId,
      version: sale.version,
      action: 'move_order' as const,
      before: { orderId, ...toTold(before, code) },
      after: { orderId, ...toTold(channelId, newCode) },
    };
    await writeChange(client, change, steering);
  });
}

async function readSale(
  client: PoolClient,
  saleId: string,
): Promise<{ version: number; channels: SaleDefinition['channels'] } | undefined> {
  const { rows } = await client.query<{ version: string; channels: SaleDefinition['channels'] }>(
    `SELECT version, definition -> 'channels' AS channels FROM sales WHERE id = $1 FOR KEY SHARE`,
    [saleId],
  );
  return rows[0] && { version: Number(rows[0].version), channels: rows[0].channels };
}

async function lockOrder(
  client: PoolClient,
  saleId: string,
  orderId: string,
): Promise<MovingRow | undefined> {
  const { rows } = await client.query<MovingRow>(
    `SELECT status, channel_id, pickup_channel_id, pickup_code, picked_up_at FROM orders
     WHERE id = $1 AND sale_id = $2 FOR UPDATE`,
    [orderId, saleId],
  );
  return rows[0];
}

/**
 * Gives the order a code that is free at its new pick-up point: the one that it had there before, or the one
 * that it has, if it can be. The row of the old point stays under a name that no order can have, because
 * people may go on showing the code there, and the goods of another order must not leave for it.
 */
async function moveCode(client: PoolClient, orderId: string, code: string, scope: string): Promise<string> {
  await client.query(
    `UPDATE pickup_codes SET order_id = order_id || ' moved from ' || scope WHERE order_id = $1`,
    [orderId],
  );
  const before = await client.query<{ code: string }>(
    `UPDATE pickup_codes SET order_id = $1 WHERE order_id = $1::text || ' moved from ' || $2 RETURNING code`,
    [orderId, scope],
  );
  const newCode = before.rows[0]?.code ?? (await claimCode(client, orderId, code));
  if (newCode !== code) {
    await client.query('UPDATE orders SET pickup_code = $2 WHERE id = $1', [orderId, newCode]);
  }
  return newCode;
}

/** @param code is tried first. */
async function claimCode(client: PoolClient, orderId: string, code: string): Promise<string> {
  let wanted: string | undefined = code;
  const codes = await claimPickupCodes(client, [orderId], (digits) => {
    const next = wanted ?? makeRandomCode(digits);
    wanted = undefined;
    return next;
  });
  const newCode = codes.get(orderId);
  invariant(newCode !== undefined, `order ${orderId} has a code for its new pick-up point`);
  return newCode;
}

const toTold = (channelId: string | null, code: string | null) => ({
  ...(channelId === null ? {} : { pickupChannelId: channelId }),
  ...(code === null ? {} : { pickupCode: code }),
});
