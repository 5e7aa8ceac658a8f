import {
  formatInstant,
  LIMITS,
  type ControlVerb,
  type SaleAction,
  type SaleChange,
  type SaleChangePage,
} from '@seckill/contracts';
import type { Pool, PoolClient } from '@seckill/runtime';
import { refuse } from '../invalid-request.ts';
import { toPage } from '../pages/page.ts';
import type { Operator } from './steering.ts';

// The audit trail: what operators changed. A row is written in the transaction of the change it tells of, so
// there is no change without its row, and no row without its change.

export const ACTION_OF: Record<ControlVerb, SaleAction> = {
  open: 'resume',
  paused: 'pause',
  closed: 'close',
};

export interface NewChange extends Pick<SaleChange, 'action' | 'before' | 'after' | 'version'> {
  saleId: string;
}

export async function writeChange(
  client: PoolClient,
  { saleId, version, action, before, after }: NewChange,
  { by, reason }: Operator,
): Promise<void> {
  await client.query(
    `INSERT INTO sale_changes (sale_id, version, by, action, reason, before, after)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [saleId, version, by ?? null, action, reason ?? null, JSON.stringify(before), JSON.stringify(after)],
  );
}

interface ChangeRow {
  id: string;
  at: Date;
  by: string | null;
  action: SaleAction;
  reason: string | null;
  before: Record<string, unknown>;
  after: Record<string, unknown>;
  version: string;
}

/**
 * Lists the newest first. A page continues before the last row seen, so changes that come meanwhile neither
 * repeat nor hide one.
 * @throws Problem `invalid_request` when the cursor is not one of ours.
 */
export async function listChanges(
  pool: Pool,
  saleId: string,
  { limit = LIMITS.ordersPageDefault, cursor }: { limit?: number; cursor?: string },
): Promise<SaleChangePage> {
  if (cursor !== undefined && !/^[1-9]\d{0,17}$/.test(cursor)) refuse('cursor_foreign', 'cursor');
  const { rows } = await pool.query<ChangeRow>(
    `SELECT id, at, by, action, reason, before, after, version FROM sale_changes
     WHERE sale_id = $1 AND ($2::bigint IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [saleId, cursor ?? null, limit + 1],
  );
  const page = toPage(rows, limit, ({ id }) => id);
  return { ...page, data: page.data.map(toChange) };
}

function toChange({ at, by, action, reason, before, after, version }: ChangeRow): SaleChange {
  return {
    at: formatInstant(at),
    ...(by === null ? {} : { by }),
    action,
    ...(reason === null ? {} : { reason }),
    before,
    after,
    version: Number(version),
  };
}
