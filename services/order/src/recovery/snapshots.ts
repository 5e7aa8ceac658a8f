import { LIMITS, type Snapshot, type SnapshotOrder, type SnapshotPage } from '@seckill/contracts';
import { transaction, type Pool, type PoolClient } from '@seckill/runtime';
import { setEpoch } from './epochs.ts';
import { controlStateOf } from '../sales/sale-definition.ts';
import { lockSale } from '../sales/sale-store.ts';

export type SnapshotRefusal = 'sale_not_found' | 'sale_closed' | 'ends_missing';

/**
 * Raises the epoch and reads the first page, in one transaction (docs/recovery.md, "Rebuild"). The raise
 * waits for the intake's transactions that hold the ledger: an order is either read here, or finds the new
 * epoch and makes it distrusted.
 * @param options.isDrained the intake has stored what Kafka had; if not, only a sale that never opened is
 * given.
 */
export async function takeSnapshot(
  pool: Pool,
  saleId: string,
  options: { above: number; isDrained: boolean },
): Promise<Snapshot | SnapshotRefusal> {
  return transaction(pool, async (client) => {
    const sale = await lockSale(client, saleId);
    if (sale === undefined) return 'sale_not_found';
    if (sale.isRetired) return 'sale_closed';
    // Without an opening there is no reservation, in Kafka or anywhere: empty, and truly so.
    if (!options.isDrained && sale.openedEpoch !== undefined) return 'ends_missing';
    const epoch = Math.max(sale.epoch, options.above) + 1;
    await setEpoch(client, saleId, epoch);
    return { epoch, control: controlStateOf(sale), ...(await readPage(client, saleId)) };
  });
}

interface OrderRow {
  id: string;
  epoch: string;
  sequence: string;
  user_id: string;
  idempotency_key: string;
  lines: SnapshotOrder['lines'];
  channel_id: string | null;
  ref: string | null;
  reserved_at: Date;
  expires_at: Date;
  status: SnapshotOrder['status'];
}

/**
 * Reads every order that was not refused. Ended orders are among them, because their keys must keep their
 * answers (INV-4). The order is by id, which the primary key serves. Pages are read one by one, and torn
 * reads between them do no harm. The gate is closed, so nothing is reserved under this epoch. An order that
 * comes later from an older epoch makes this one distrusted (ledger/selling.ts), and a distrusted epoch is
 * not opened. An order that ends behind our back is found by its verdict before the opening.
 */
export async function readPage(
  client: Pool | PoolClient,
  saleId: string,
  after?: string,
): Promise<SnapshotPage> {
  const { rows } = await client.query<OrderRow>(
    `SELECT id, epoch, sequence, user_id, idempotency_key, lines, channel_id, ref, reserved_at,
       expires_at, status
     FROM orders
     WHERE id > COALESCE($2, $1 || '.') AND id < $1 || '/' AND status <> 'refused'
     ORDER BY id LIMIT $3`,
    // One more than a page tells whether there is another.
    [saleId, after ?? null, LIMITS.rebuildPageMax + 1],
  );
  const page = rows.slice(0, LIMITS.rebuildPageMax);
  const last = page.at(-1);
  return {
    orders: page.map(toSnapshotOrder),
    ...(rows.length > page.length && last !== undefined ? { after: last.id } : {}),
  };
}

function toSnapshotOrder(row: OrderRow): SnapshotOrder {
  return {
    reservationId: row.id,
    epoch: Number(row.epoch),
    sequence: Number(row.sequence),
    userId: row.user_id,
    idempotencyKey: row.idempotency_key,
    lines: row.lines,
    ...(row.channel_id === null ? {} : { channelId: row.channel_id }),
    ...(row.ref === null ? {} : { ref: row.ref }),
    reservedAt: row.reserved_at.getTime(),
    expiresAt: row.expires_at.getTime(),
    status: row.status,
  };
}
