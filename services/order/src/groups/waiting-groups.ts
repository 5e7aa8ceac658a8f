import type { Pool } from '@seckill/runtime';

/** Group purchases of closed sales that are not decided. */
export interface WaitingGroups {
  count: number;
  /** How long ago the last hold of the oldest one ended; 0 while it may last. */
  overdueSeconds: number;
}

/** SQL for whether a row of `sales` is closed, by hand or by the clock. */
export const IS_CLOSED = `(sales.state = 'closed' OR closes_at <= (SELECT clock_timestamp()))`;
const CLOSED_AT = `CASE sales.state WHEN 'closed' THEN LEAST(closes_at, state_at) ELSE closes_at END`;

/** Goes by sales first: the definition of a sale with many groups is large, and is read once then. */
export async function readWaitingGroups(pool: Pool): Promise<WaitingGroups> {
  const { rows } = await pool.query<{ count: number; overdue: number }>(
    `WITH waiting AS MATERIALIZED (
       SELECT sale_id, count(*) AS count FROM sale_groups WHERE state = 'waiting' GROUP BY sale_id)
     SELECT COALESCE(sum(waiting.count), 0)::int AS count, GREATEST(0, max(
         extract(epoch FROM clock_timestamp() - ${CLOSED_AT}) - (definition ->> 'holdSeconds')::int
       ))::float8 AS overdue
     FROM waiting JOIN sales ON sales.id = sale_id WHERE ${IS_CLOSED}`,
  );
  return { count: rows[0]?.count ?? 0, overdueSeconds: rows[0]?.overdue ?? 0 };
}
