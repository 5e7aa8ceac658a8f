import {
  ERASED_CONTACT,
  formatInstant,
  formatOrderCursor,
  LIMITS,
  parseOrderCursor,
  type Returned,
  type SealedPickup,
  type SealedPickupPage,
} from '@seckill/contracts';
import { Problem, type Pool, type PoolClient } from '@seckill/runtime';
import { MAY_LEAVE } from '../ledger/group-of-order.ts';
import { refuse } from '../invalid-request.ts';
import { toPage } from '../pages/page.ts';

export interface PickupQuery {
  channelId?: string;
  limit?: number;
  cursor?: string;
}

export interface PickupRow {
  id: string;
  user_id: string;
  pickup_code: string;
  lines: { sku: string; quantity: number }[];
  returned: Returned | null;
  pickup_channel: string | null;
  contact: string | null;
  picked_up_at: Date | null;
}

export const PICKUP_COLUMNS = `id, user_id, pickup_code, lines, returned,
  COALESCE(pickup_channel_id, channel_id) AS pickup_channel, contact, picked_up_at`;

/**
 * The paid orders that a channel hands out, in the two parts that have an index each; without a channel all
 * of the sale. `$1` is the sale, `$2` the channel. Orders of a group purchase are there once it was reached.
 */
function partsOf(channelId: string | undefined): string[] {
  const parts =
    channelId === undefined
      ? ['$2::text IS NULL']
      : ['channel_id = $2 AND pickup_channel_id IS NULL', 'pickup_channel_id = $2'];
  return parts.map((part) => `sale_id = $1 AND status = 'paid' AND ${part} AND ${MAY_LEAVE}`);
}

/**
 * Lists the newest first. A page continues after the last order looked at: what is paid meanwhile neither
 * repeats nor hides an order. An order of which everything came back is left out, so a page may be short.
 * @throws Problem `sale_not_found`, `channel_not_found`; `invalid_request` when the cursor is not one of
 * ours.
 */
export async function listPickups(
  pool: Pool,
  saleId: string,
  { channelId, limit = LIMITS.ordersPageDefault, cursor }: PickupQuery,
): Promise<SealedPickupPage> {
  const after =
    cursor === undefined ? undefined : (parseOrderCursor(cursor) ?? refuse('cursor_foreign', 'cursor'));
  await checkChannel(pool, saleId, channelId);
  const parts = partsOf(channelId).map(
    (where) => `(SELECT ${PICKUP_COLUMNS}, reserved_at FROM orders WHERE ${where}
      AND ($3::timestamptz IS NULL OR (reserved_at, id) < ($3, $4::text))
      ORDER BY reserved_at DESC, id DESC LIMIT $5)`,
  );
  const { rows } = await pool.query<PickupRow & { reserved_at: Date }>(
    `SELECT * FROM (${parts.join(' UNION ALL ')}) AS orders ORDER BY reserved_at DESC, id DESC LIMIT $5`,
    [saleId, channelId ?? null, after?.reservedAt ?? null, after?.id ?? null, limit + 1],
  );
  const page = toPage(rows, limit, ({ reserved_at, id }) =>
    formatOrderCursor({ reservedAt: formatInstant(reserved_at), id }),
  );
  return {
    ...page,
    data: page.data.map(toPickup).filter(({ lines }) => lines.length > 0),
    ...(after === undefined ? { load: await readLoad(pool, saleId, channelId) } : {}),
  };
}

async function checkChannel(pool: Pool, saleId: string, channelId: string | undefined): Promise<void> {
  const { rows } = await pool.query<{ has_channel: boolean }>(
    `SELECT $2::text IS NULL OR EXISTS (SELECT FROM jsonb_array_elements(definition -> 'channels') AS channel
       WHERE channel ->> 'id' = $2) AS has_channel
     FROM sales WHERE id = $1`,
    [saleId, channelId ?? null],
  );
  if (rows[0] === undefined) throw new Problem('sale_not_found');
  if (!rows[0].has_channel) throw new Problem('channel_not_found');
}

/** What is to be brought to the pick-up point: units that were neither handed out nor returned. */
async function readLoad(
  client: Pick<PoolClient, 'query'>,
  saleId: string,
  channelId: string | undefined,
): Promise<NonNullable<SealedPickupPage['load']>> {
  const parts = partsOf(channelId).map(
    (where) => `SELECT lines, returned FROM orders WHERE ${where} AND picked_up_at IS NULL`,
  );
  const { rows } = await client.query<{ sku: string; units: string }>(
    `WITH waiting AS (${parts.join(' UNION ALL ')})
     SELECT sku, sum(units) AS units FROM (
       SELECT line.sku, line.quantity AS units
       FROM waiting CROSS JOIN LATERAL jsonb_to_recordset(lines) AS line (sku text, quantity bigint)
       UNION ALL
       SELECT line.sku, -line.returned FROM waiting
       CROSS JOIN LATERAL jsonb_to_recordset(waiting.returned -> 'lines') AS line (sku text, returned bigint)
       WHERE waiting.returned IS NOT NULL) AS moved
     GROUP BY sku HAVING sum(units) > 0 ORDER BY sku COLLATE "C"`,
    [saleId, channelId ?? null],
  );
  return rows.map(({ sku, units }) => ({ sku, units: Number(units) }));
}

export function toPickup(row: PickupRow): SealedPickup {
  const { contact } = row;
  return {
    orderId: row.id,
    userId: row.user_id,
    code: row.pickup_code,
    lines: leftOf(row),
    ...(row.pickup_channel === null ? {} : { channelId: row.pickup_channel }),
    ...(contact === null || contact === ERASED_CONTACT ? {} : { contact }),
    ...(row.picked_up_at === null ? {} : { pickedUpAt: formatInstant(row.picked_up_at) }),
  };
}

/** What was bought and did not come back. */
export function leftOf({ lines, returned }: Pick<PickupRow, 'lines' | 'returned'>): SealedPickup['lines'] {
  const back = new Map(returned?.lines.map((line) => [line.sku, line.returned]));
  return lines
    .map(({ sku, quantity }) => ({ sku, quantity: quantity - (back.get(sku) ?? 0) }))
    .filter(({ quantity }) => quantity > 0);
}
