import type { Opening, OpeningRefusal, OpeningRequest } from '@seckill/contracts';
import { transaction, type Pool, type PoolClient } from '@seckill/runtime';
import { lockSale, type StoredSale } from '../sales/sale-store.ts';
import type { SnapshotRefusal } from './snapshots.ts';

/**
 * Decides whether what Redis holds under this epoch may be sold, and notes the opening. The sale is locked
 * meanwhile, so that nobody raises the epoch: a rebuilder that slept would otherwise open a stale state. An
 * order that is stored after this decision makes the epoch distrusted.
 * @param isDrained the intake has stored what Kafka had. Without that only a sale that never opened may open.
 */
export async function openEpoch(
  pool: Pool,
  saleId: string,
  request: OpeningRequest,
  isDrained: boolean,
): Promise<Opening | SnapshotRefusal | 'lane_unknown'> {
  return transaction(pool, async (client) => {
    const sale = await lockSale(client, saleId);
    if (sale === undefined) return 'sale_not_found';
    if (sale.isRetired) return 'sale_closed';
    if (request.lane >= sale.lanes) return 'lane_unknown';
    if (!isDrained && sale.openedEpoch !== undefined) return 'ends_missing';
    const refusal = await findRefusal(client, sale, request);
    const { epoch } = request;
    if (refusal !== undefined) return { epoch, granted: false, refusal };
    await client.query('UPDATE sales SET opened_epoch = epoch, openings = openings + 1 WHERE id = $1', [
      saleId,
    ]);
    return { epoch, granted: true };
  });
}

/** The first refusal that applies (docs/recovery.md, "Check"). */
async function findRefusal(
  client: PoolClient,
  sale: StoredSale,
  { lane, epoch, sequence, version }: OpeningRequest,
): Promise<OpeningRefusal | undefined> {
  const saleId = sale.definition.id;
  if (epoch !== sale.epoch || (await isDistrusted(client, saleId, epoch))) return 'superseded';
  if (version < sale.acknowledgedVersion) return 'outdated';
  const stored = await readHighest(client, saleId, lane);
  if (stored.epoch > epoch) return 'behind';
  const storedSequence = stored.epoch === epoch ? stored.sequence : 0;
  if (sequence < storedSequence) return 'behind';
  return sequence > storedSequence ? 'ahead' : undefined;
}

/** Asks again under the lock, because what was read with the row may be older than the wait for the row. */
async function isDistrusted(client: PoolClient, saleId: string, epoch: number): Promise<boolean> {
  const { rowCount } = await client.query('SELECT FROM doubts WHERE sale_id = $1 AND epoch >= $2 LIMIT 1', [
    saleId,
    epoch,
  ]);
  return rowCount === 1;
}

/**
 * Reads epoch and sequence of the last reservation or retake that is stored for a lane, 0 when there is none.
 * A refused reservation counts too, because Redis made it all the same.
 */
async function readHighest(
  client: PoolClient,
  saleId: string,
  lane: number,
): Promise<{ epoch: number; sequence: number }> {
  const { rows } = await client.query<{ epoch: string; sequence: string }>(
    `(SELECT epoch, sequence FROM orders WHERE sale_id = $1 AND lane = $2 AND status <> 'refused'
      ORDER BY epoch DESC, sequence DESC LIMIT 1)
     UNION ALL
     (SELECT epoch, sequence FROM orders WHERE sale_id = $1 AND lane = $2 AND status = 'refused'
      ORDER BY epoch DESC, sequence DESC LIMIT 1)
     UNION ALL
     (SELECT epoch, sequence FROM retakes WHERE sale_id = $1 AND lane = $2
      ORDER BY epoch DESC, sequence DESC LIMIT 1)
     ORDER BY epoch DESC, sequence DESC LIMIT 1`,
    [saleId, lane],
  );
  return { epoch: Number(rows[0]?.epoch ?? 0), sequence: Number(rows[0]?.sequence ?? 0) };
}
