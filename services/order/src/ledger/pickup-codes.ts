import { randomInt } from 'node:crypto';
import { invariant, type PoolClient } from '@seckill/runtime';

/**
 * Digits of the code, attempt by attempt. Six can be said aloud. A pick-up point that has used up most of
 * a million gets longer ones. Past the last attempt a point would have handed out about 10^12 codes.
 * randomInt goes up to 2^48.
 */
const DIGITS = [6, 6, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14];

/** Where a code is shown and must be unique: at a pick-up point, whatever the sale, or else in the sale. */
export function pickupScope({
  saleId,
  pickupPointId,
}: {
  saleId: string;
  pickupPointId?: string | undefined;
}): string {
  return pickupPointId === undefined ? `sale:${saleId}` : `point:${pickupPointId}`;
}

/**
 * Gives each order a code that no other order has where the code is shown. That is at the pick-up point of
 * the channel that hands it out, whatever the sale, or else in the sale. The constraint of `pickup_codes`
 * decides, so payments that race never share a code.
 * @param orderIds of orders that the caller has locked or inserted, and that have no code.
 * @returns the code by order id.
 */
export async function claimPickupCodes(
  client: PoolClient,
  orderIds: string[],
  makeCode: (digits: number) => string = makeRandomCode,
): Promise<Map<string, string>> {
  const codes = new Map<string, string>();
  for (const digits of DIGITS) {
    const left = orderIds.filter((id) => !codes.has(id));
    if (left.length === 0) return codes;
    // The codes are sorted, so that two transactions that meet take their codes in one order. A code that
    // another transaction is about to take is waited for. Afterwards it is taken, or free again.
    const { rows } = await client.query<{ order_id: string; code: string }>(
      `INSERT INTO pickup_codes (scope, code, order_id)
       SELECT COALESCE('point:' || (
           SELECT channel ->> 'pickupPointId' FROM jsonb_array_elements(sales.definition -> 'channels') AS channel
           WHERE orders.pickup_channel IS NOT NULL AND channel ->> 'id' = orders.pickup_channel),
         'sale:' || orders.sale_id) AS scope, candidate.code, orders.id
       FROM unnest($1::text[], $2::text[]) AS candidate (order_id, code)
       JOIN (SELECT id, sale_id, COALESCE(pickup_channel_id, channel_id) AS pickup_channel FROM orders) AS orders
         ON orders.id = candidate.order_id
       JOIN sales ON sales.id = orders.sale_id
       ORDER BY 1, 2
       ON CONFLICT (scope, code) DO NOTHING
       RETURNING order_id, code`,
      [left, left.map(() => makeCode(digits))],
    );
    for (const { order_id, code } of rows) codes.set(order_id, code);
  }
  invariant(
    codes.size === orderIds.length,
    `no pick-up code is free for ${orderIds.length - codes.size} orders`,
  );
  return codes;
}

export function makeRandomCode(digits: number): string {
  return String(randomInt(10 ** digits)).padStart(digits, '0');
}
