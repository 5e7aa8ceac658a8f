import type { Pool, PoolClient } from '@seckill/runtime';

/** @returns the traces that orders began with, by order id; of most orders there is none. */
export async function readTraceparents(
  client: Pool | PoolClient,
  orderIds: string[],
): Promise<Map<string, string>> {
  const { rows } = await client.query<{ id: string; traceparent: string }>(
    'SELECT id, traceparent FROM orders WHERE id = ANY ($1::text[]) AND traceparent IS NOT NULL',
    [orderIds],
  );
  return new Map(rows.map(({ id, traceparent }) => [id, traceparent]));
}
