import type { Returned } from '@seckill/contracts';
import { invariant, type Pool, type PoolClient } from '@seckill/runtime';
import { giveBack } from './ledger.ts';
import { keepEvents } from './order-events.ts';
import { claimPickupCodes } from './pickup-codes.ts';
import { writeSettlements, type Ended, type Verdict } from '../relay/outbox.ts';

// How orders end. Each function works inside the caller's transaction: status, ledger and outbox change
// together or not at all (D6). Pay, cancel and expire are judged under the lock of the order's row: of all
// that race exactly one finds the order pending (INV-5, D7). The statement that ends the order says so once
// more with `WHERE status = 'pending'`, for a caller that forgot to lock. Each function locks orders first,
// then ledger rows by (sale, sku).

interface EndedRow {
  id: string;
  sale_id: string;
  lane: number;
  lines: Ended['lines'];
}

/**
 * Ends those of the orders that are pending. A caller that names more than one has locked or inserted
 * their rows, because an UPDATE takes its rows in any order. For `paid` the orders must be pending, too,
 * and each gets a pick-up code.
 * @returns what was ended by this call.
 */
export async function endOrders(
  client: PoolClient,
  orderIds: string[],
  verdict: 'paid' | 'cancelled' | 'expired',
): Promise<Ended[]> {
  const isPaid = verdict === 'paid';
  const codes = isPaid ? await claimPickupCodes(client, orderIds) : new Map<string, string>();
  const { rows } = await client.query<EndedRow>(
    `UPDATE orders SET status = $2, pickup_code = ending.pickup_code,
       paid_at = CASE WHEN $3 THEN clock_timestamp() END,
       ended_at = CASE WHEN $3 THEN NULL ELSE clock_timestamp() END
     FROM unnest($1::text[], $4::text[]) AS ending (id, pickup_code)
     WHERE orders.id = ending.id AND orders.status = 'pending'
     RETURNING orders.id, sale_id, lane, lines`,
    [orderIds, verdict, isPaid, orderIds.map((id) => codes.get(id) ?? null)],
  );
  return finish(client, rows, verdict);
}

/**
 * Pays orders that had expired, and whose units were taken again. The caller holds their rows, has moved the
 * ledger and settles the holds.
 */
export async function payExpired(client: PoolClient, orderIds: string[]): Promise<void> {
  if (orderIds.length === 0) return;
  const codes = await claimPickupCodes(client, orderIds);
  const { rowCount } = await client.query(
    `UPDATE orders SET status = 'paid', pickup_code = paying.pickup_code, paid_at = clock_timestamp(),
       ended_at = NULL
     FROM unnest($1::text[], $2::text[]) AS paying (id, pickup_code)
     WHERE orders.id = paying.id AND orders.status = 'expired'`,
    [orderIds, orderIds.map((id) => codes.get(id) ?? null)],
  );
  invariant(rowCount === orderIds.length, 'an expired order changed under its lock');
  await keepEvents(client, 'order.paid', orderIds);
}

export interface Expired {
  ended: number;
  /**
   * The time from the end of the longest overdue hold to now, by Postgres' clock. The lag is 0 when no hold
   * was due.
   */
  lagSeconds: number;
}

// A clock_timestamp() in a subquery of its own is read once. As a volatile function it would keep the index
// from being used.
const DUE = `status = 'pending'
         AND expires_at <= (SELECT clock_timestamp() - make_interval(secs => $1 / 1000.0))`;

/** Whether any hold is past its end by that grace. */
export async function isAnyDue(pool: Pool, graceMs: number): Promise<boolean> {
  // In the order of the index: PostgreSQL would otherwise expect a match soon, and read the whole table.
  const { rowCount } = await pool.query(`SELECT FROM orders WHERE ${DUE} ORDER BY expires_at LIMIT 1`, [
    graceMs,
  ]);
  return rowCount !== 0;
}

/**
 * Expires the orders that are longest overdue. Orders that another replica holds, or that are being paid or
 * cancelled now, are left out, so several replicas work at once without waiting for each other.
 */
export async function expireOrders(
  client: PoolClient,
  options: { graceMs: number; countMax: number },
): Promise<Expired> {
  const { rows } = await client.query<EndedRow & { lag_seconds: number }>(
    `WITH due AS MATERIALIZED (
       SELECT id FROM orders
       WHERE ${DUE}
       ORDER BY expires_at LIMIT $2
       FOR UPDATE SKIP LOCKED)
     UPDATE orders SET status = 'expired', ended_at = clock_timestamp()
     FROM due WHERE orders.id = due.id AND orders.status = 'pending'
     RETURNING orders.id, sale_id, lane, lines,
       extract(epoch FROM clock_timestamp() - expires_at)::float8 AS lag_seconds`,
    [options.graceMs, options.countMax],
  );
  await finish(client, rows, 'expired');
  const lagSeconds = rows.reduce((most, { lag_seconds }) => Math.max(most, lag_seconds), 0);
  return { ended: rows.length, lagSeconds };
}

/**
 * Tells Redis again how these orders ended, in case Redis was never told. Orders still pending are left to
 * expiry.
 */
export async function settleAgain(client: PoolClient, orderIds: string[]): Promise<number> {
  if (orderIds.length === 0) return 0;
  const { rows } = await client.query<EndedRow & { status: Verdict; returned: Returned | null }>(
    `SELECT id, sale_id, lane, lines, status, returned FROM orders WHERE id = ANY ($1::text[]) AND status <> 'pending'`,
    [orderIds],
  );
  for (const { returned, ...row } of rows) {
    const ended = { ...toEnded(row), ...(returned === null ? {} : { returned }) };
    await writeSettlements(client, [ended], row.status);
  }
  return rows.length;
}

async function finish(client: PoolClient, rows: EndedRow[], verdict: Verdict): Promise<Ended[]> {
  const ended = rows.map(toEnded);
  if (verdict !== 'paid') await giveBack(client, ended);
  await writeSettlements(client, ended, verdict);
  await keepEvents(
    client,
    `order.${verdict}`,
    ended.map(({ id }) => id),
  );
  return ended;
}

function toEnded({ id, sale_id, lane, lines }: EndedRow): Ended {
  return { id, saleId: sale_id, lane, lines };
}
