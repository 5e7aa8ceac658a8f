import { randomBytes } from 'node:crypto';
import { createLogger, createPool, type Pool } from '@seckill/runtime';
import { formatReservationId } from '@seckill/contracts';
import { toReservation, type ItemCounts, type SaleItemInput } from './contracts.ts';
import type { Shop, ShopAnswer, ShopRequest } from './shop.ts';

/** SQLSTATE unique_violation: the key has reserved before. */
const UNIQUE_VIOLATION = '23505';

interface OrderRow {
  id: string;
  sku: string;
  quantity: number;
  channel_id: string | null;
  price: string;
  currency: string;
  reserved_at: Date;
}

export interface PostgresShopOptions {
  url: string;
  schema: string;
  connections: number;
  /** DDL of the tables in which units are counted. */
  tables: string;
  open(pool: Pool, saleId: string, items: SaleItemInput[]): Promise<void>;
  /**
   * One statement that takes units and stores the order, or does neither. The parameters are $1 id, $2 sale,
   * $3 user, $4 key, $5 SKU, $6 quantity, $7 channel. The rows that it answers are those of the order.
   */
  reserve: string;
  count(pool: Pool, saleId: string): Promise<ItemCounts>;
}

const ORDERS = `CREATE TABLE IF NOT EXISTS orders (
  id text PRIMARY KEY, sale_id text NOT NULL, user_id text NOT NULL, idempotency_key text NOT NULL, sku text NOT NULL,
  quantity integer NOT NULL, channel_id text, price bigint NOT NULL, currency text NOT NULL,
  reserved_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT orders_one_per_key UNIQUE (sale_id, user_id, idempotency_key)
)`;

/**
 * Opens a shop that uses one prepared statement in one round trip, committed by itself. This is the least
 * that PostgreSQL can be asked.
 */
export async function openPostgresShop(options: PostgresShopOptions): Promise<Shop> {
  const { schema, connections } = options;
  const url = new URL(options.url);
  // The baseline has tables of its own beside the product's, in the same cluster with the same settings.
  url.searchParams.set('options', `-c search_path=${schema}`);
  const pool = createPool(url.href, createLogger(schema, 'warn'), { max: connections });
  await pool.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
  await pool.query(ORDERS);
  await pool.query(options.tables);

  async function reserve(request: ShopRequest): Promise<ShopAnswer> {
    const { saleId, userId, idempotencyKey, sku, quantity, channelId } = request;
    const id = formatReservationId({ saleId, lane: 0, suffix: randomBytes(16).toString('base64url') });
    try {
      const { rows } = await pool.query<OrderRow>({
        name: 'reserve',
        text: options.reserve,
        values: [id, saleId, userId, idempotencyKey, sku, quantity, channelId ?? null],
      });
      const [row] = rows;
      // Nothing was inserted in this case, so no key could clash. A repeat is looked for before the buyer
      // hears "sold out".
      if (row === undefined) return (await replay(request)) ?? { outcome: 'sold_out' };
      return { outcome: 'reserved', replayed: false, reservation: reservationOf(request, row) };
    } catch (error) {
      if ((error as { code?: unknown }).code !== UNIQUE_VIOLATION) throw error;
      // The statement was undone as a whole, with its units.
      return (await replay(request)) ?? { outcome: 'overloaded' };
    }
  }

  /** Gives the key its first answer again. The result is undefined when the key never reserved. */
  async function replay(request: ShopRequest): Promise<ShopAnswer | undefined> {
    const { rows } = await pool.query<OrderRow>({
      name: 'replay',
      text: `SELECT id, sku, quantity, channel_id, price, currency, reserved_at FROM orders
              WHERE sale_id = $1 AND user_id = $2 AND idempotency_key = $3`,
      values: [request.saleId, request.userId, request.idempotencyKey],
    });
    const [row] = rows;
    if (row === undefined) return undefined;
    const isSame =
      row.sku === request.sku &&
      row.quantity === request.quantity &&
      (row.channel_id ?? undefined) === request.channelId;
    if (!isSame) return { outcome: 'key_reused' };
    return { outcome: 'reserved', replayed: true, reservation: reservationOf(request, row) };
  }

  return {
    reserve,
    open: (saleId, items) => options.open(pool, saleId, items),
    count: (saleId) => options.count(pool, saleId),
    close: () => pool.end(),
  };
}

function reservationOf({ saleId, userId }: ShopRequest, row: OrderRow) {
  return toReservation({
    id: row.id,
    saleId,
    userId,
    sku: row.sku,
    quantity: row.quantity,
    channelId: row.channel_id ?? undefined,
    price: Number(row.price),
    currency: row.currency,
    reservedAt: row.reserved_at.getTime(),
  });
}

export async function countOrders(pool: Pool, saleId: string): Promise<{ orders: number; held: number }> {
  const { rows } = await pool.query<{ orders: number; held: number }>(
    'SELECT count(*)::int AS orders, coalesce(sum(quantity), 0)::int AS held FROM orders WHERE sale_id = $1',
    [saleId],
  );
  return rows[0] ?? { orders: 0, held: 0 };
}
