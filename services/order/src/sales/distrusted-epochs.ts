import type { Logger, Pool, PoolClient } from '@seckill/runtime';
import type { OrderMetrics } from '../metrics.ts';

/**
 * Why an epoch is not to be trusted. `refused`: Redis promised what the ledger, a key or a sequence contradicts;
 * `late_row`: an order came that the epoch's snapshot lacks; `restored`: Postgres is older than what it had decided.
 */
export type DoubtReason = 'refused' | 'late_row' | 'restored';

/** Stock loads the sale anew, above this epoch, before it acknowledges the next control state (recovery.md). */
export interface Doubt {
  saleId: string;
  epoch: number;
  reason: DoubtReason;
}

/**
 * In the order of (sale, epoch), and after every other lock of the caller: two that raise the same doubt wait for each
 * other here. @returns those that are new.
 */
export async function raiseDoubts(client: PoolClient, doubts: Doubt[]): Promise<Doubt[]> {
  if (doubts.length === 0) return [];
  const { rows } = await client.query<DoubtRow>(
    `INSERT INTO doubts (sale_id, epoch, reason)
     SELECT sale_id, epoch, reason
     FROM unnest($1::text[], $2::bigint[], $3::text[]) AS doubt (sale_id, epoch, reason)
     ORDER BY sale_id COLLATE "C", epoch
     ON CONFLICT DO NOTHING
     RETURNING sale_id, epoch, reason`,
    [
      doubts.map(({ saleId }) => saleId),
      doubts.map(({ epoch }) => epoch),
      doubts.map(({ reason }) => reason),
    ],
  );
  return rows.map(toDoubt);
}

/**
 * Postgres was restored: any sale may have sold more than it knows. A sale that it never loaded has nothing to doubt;
 * if Redis holds it after all, its acknowledgement tells (control-sync.ts). @returns those that are new.
 */
export async function doubtEverySale(pool: Pool): Promise<Doubt[]> {
  const { rows } = await pool.query<DoubtRow>(
    `INSERT INTO doubts (sale_id, epoch, reason)
     SELECT id, epoch, 'restored' FROM sales WHERE retired_at IS NULL AND epoch > 0 ORDER BY id
     ON CONFLICT DO NOTHING
     RETURNING sale_id, epoch, reason`,
  );
  return rows.map(toDoubt);
}

export function reportDoubts(doubts: Doubt[], deps: { logger: Logger; metrics: OrderMetrics }): void {
  for (const doubt of doubts) {
    deps.metrics.doubts.inc({ reason: doubt.reason });
    deps.logger.error(doubt, 'the epoch is in doubt, the sale is loaded anew');
  }
}

interface DoubtRow {
  sale_id: string;
  epoch: string;
  reason: DoubtReason;
}

function toDoubt({ sale_id, epoch, reason }: DoubtRow): Doubt {
  return { saleId: sale_id, epoch: Number(epoch), reason };
}
