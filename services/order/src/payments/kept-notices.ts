import { createHash } from 'node:crypto';
import { formatInstant, type KeptNotice, type KeptNoticePage, type PaymentResult } from '@seckill/contracts';
import { invariant, type Pool } from '@seckill/runtime';
import { formatPageCursor, instantOf, microsecondsOf, parsePageCursor } from '../pages/page-cursor.ts';
import { toPage } from '../pages/page.ts';

/** A notice as the provider sent it. */
export interface SignedNotice {
  webhookId: string;
  bytes: Buffer;
}

export type NoticeState = KeptNotice['state'];

/** @returns the id of the row, and whether the notice is new. A repeat of the provider is kept once. */
export async function keepNotice(
  pool: Pool,
  { webhookId, bytes }: SignedNotice,
  reason: string,
): Promise<{ id: string; isNew: boolean }> {
  const { rows } = await pool.query<{ id: string; deliveries: number }>(
    `INSERT INTO kept_notices (fingerprint, webhook_id, body, reason) VALUES ($1, $2, $3, $4)
     ON CONFLICT (fingerprint) DO UPDATE
       SET deliveries = kept_notices.deliveries + 1, last_received_at = now()
     RETURNING id, deliveries`,
    [
      createHash('sha256').update(`${webhookId}\n`).update(bytes).digest(),
      webhookId,
      bytes,
      // A reason may quote the notice, which Postgres need not take.
      reason.replace(/\0/g, '\\0').slice(0, 500),
    ],
  );
  const [row] = rows;
  invariant(row !== undefined, 'an upsert answers its row');
  return { id: row.id, isNew: row.deliveries === 1 };
}

interface KeptRow {
  id: string;
  webhook_id: string;
  body: Buffer;
  reason: string;
  deliveries: number;
  received_at: Date;
  received_us: string;
  state: NoticeState;
  state_at: Date;
  result: PaymentResult | null;
  reference: string | null;
}

const COLUMNS = `id, webhook_id, body, reason, deliveries, received_at, ${microsecondsOf('received_at')} AS received_us,
  state, state_at, result, reference`;

export interface NoticeQuery {
  state: NoticeState;
  /** Notices that were received from then on. */
  since?: Date | undefined;
  /** And before then. */
  until?: Date | undefined;
  limit: number;
  cursor?: string | undefined;
}

/** Oldest first. */
export async function listNotices(
  pool: Pool,
  { state, since, until, limit, cursor }: NoticeQuery,
): Promise<KeptNoticePage> {
  const after = cursor === undefined ? undefined : parsePageCursor(cursor);
  const { rows } = await pool.query<KeptRow>(
    `SELECT ${COLUMNS} FROM kept_notices
     WHERE state = $1 AND ($5::timestamptz IS NULL OR received_at >= $5)
       AND ($6::timestamptz IS NULL OR received_at < $6)
       AND ($2::bigint IS NULL OR (received_at, id) > (${instantOf('$2')}, $3::bigint))
     ORDER BY received_at, id LIMIT $4`,
    [state, after?.at ?? null, after?.id ?? null, limit + 1, since ?? null, until ?? null],
  );
  const page = toPage(rows, limit, ({ received_us: at, id }) => formatPageCursor({ at, id }));
  return { ...page, data: page.data.map(toNotice) };
}

export async function readKeptNotice(pool: Pool, id: string): Promise<KeptNotice | undefined> {
  if (!/^\d{1,18}$/.test(id)) return undefined;
  const { rows } = await pool.query<KeptRow>(`SELECT ${COLUMNS} FROM kept_notices WHERE id = $1`, [id]);
  return rows[0] && toNotice(rows[0]);
}

/** @returns false when the notice does not wait any more. */
export async function endNotice(
  pool: Pool,
  id: string,
  end: { state: 'replayed'; result: PaymentResult } | { state: 'done'; reference: string },
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `UPDATE kept_notices SET state = $2, result = $3, reference = $4, state_at = now()
     WHERE id = $1 AND state = 'kept'`,
    [id, end.state, 'result' in end ? end.result : null, 'reference' in end ? end.reference : null],
  );
  return rowCount === 1;
}

/** Notes why the notice is still not understood. */
export async function updateReason(pool: Pool, id: string, reason: string): Promise<void> {
  await pool.query('UPDATE kept_notices SET reason = $2 WHERE id = $1', [
    id,
    reason.replace(/\0/g, '\\0').slice(0, 500),
  ]);
}

function toNotice(row: KeptRow): KeptNotice {
  return {
    id: row.id,
    webhookId: row.webhook_id,
    reason: row.reason,
    state: row.state,
    receivedAt: formatInstant(row.received_at),
    deliveries: row.deliveries,
    body: row.body.toString('base64'),
    stateAt: formatInstant(row.state_at),
    ...(row.result === null ? {} : { result: row.result }),
    ...(row.reference === null ? {} : { reference: row.reference }),
  };
}
