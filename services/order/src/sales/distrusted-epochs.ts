import type { Logger, Pool, PoolClient } from '@seckill/runtime';
import type { SharedMetrics } from '../metrics.ts';

/**
 * Why an epoch is not to be trusted. `refused` means that Redis promised what the ledger, a key or a
 * sequence contradicts. `late_row` means that an order came that the snapshot of the epoch lacks.
 * `restored` means that Postgres is older than what it had decided.
 */
export type DistrustReason = 'refused' | 'late_row' | 'restored';

/**
 * Stock loads the sale anew, above this epoch, before it acknowledges the next control state (D30). The table
 * of these rows is called `doubts`.
 */
export interface DistrustedEpoch {
  saleId: string;
  epoch: number;
  reason: DistrustReason;
}

/**
 * Inserts in the order of (sale, epoch), and after every other lock of the caller. Two transactions that
 * distrust the same epoch wait for each other here.
 * @returns the epochs that were trusted until now.
 */
export async function distrustEpochs(
  client: PoolClient,
  distrusted: DistrustedEpoch[],
): Promise<DistrustedEpoch[]> {
  if (distrusted.length === 0) return [];
  const { rows } = await client.query<DistrustedEpochRow>(
    `INSERT INTO doubts (sale_id, epoch, reason)
     SELECT sale_id, epoch, reason
     FROM unnest($1::text[], $2::bigint[], $3::text[]) AS epochs (sale_id, epoch, reason)
     ORDER BY sale_id COLLATE "C", epoch
     ON CONFLICT DO NOTHING
     RETURNING sale_id, epoch, reason`,
    [
      distrusted.map(({ saleId }) => saleId),
      distrusted.map(({ epoch }) => epoch),
      distrusted.map(({ reason }) => reason),
    ],
  );
  return rows.map(toDistrustedEpoch);
}

/**
 * Postgres was restored, so Redis may have sold more of any sale than Postgres knows. A sale that was never
 * loaded has no epoch to distrust; if Redis holds it after all, its acknowledgement tells (control-sync.ts).
 * @returns the epochs that were trusted until now.
 */
export async function distrustEverySale(pool: Pool): Promise<DistrustedEpoch[]> {
  const { rows } = await pool.query<DistrustedEpochRow>(
    `INSERT INTO doubts (sale_id, epoch, reason)
     SELECT id, epoch, 'restored' FROM sales WHERE retired_at IS NULL AND epoch > 0 ORDER BY id
     ON CONFLICT DO NOTHING
     RETURNING sale_id, epoch, reason`,
  );
  return rows.map(toDistrustedEpoch);
}

export function reportDistrusted(
  distrusted: DistrustedEpoch[],
  deps: { logger: Logger; metrics: SharedMetrics },
): void {
  for (const epoch of distrusted) {
    deps.metrics.distrustedEpochs.inc({ reason: epoch.reason });
    deps.logger.error(epoch, 'the epoch is distrusted, the sale is loaded anew');
  }
}

interface DistrustedEpochRow {
  sale_id: string;
  epoch: string;
  reason: DistrustReason;
}

function toDistrustedEpoch({ sale_id, epoch, reason }: DistrustedEpochRow): DistrustedEpoch {
  return { saleId: sale_id, epoch: Number(epoch), reason };
}
