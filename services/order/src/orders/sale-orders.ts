import {
  formatInstant,
  formatOrderCursor,
  LIMITS,
  type OrderPosition,
  type OrderStatus,
  type SealedOrder,
  type SealedOrderPage,
} from '@seckill/contracts';
import { Problem, type Pool } from '@seckill/runtime';
import { positionOf, rowsOf, toOrderPage } from './order-page.ts';
import { readOperatorOrders } from './order-row.ts';

export interface SaleOrdersQuery {
  status?: OrderStatus;
  userId?: string;
  channelId?: string;
  sku?: string;
  pickupCode?: string;
  /** Only orders that were reserved at this instant or later. */
  since?: Date;
  /** And before this instant. */
  until?: Date;
  /** Which come first. */
  sort?: 'newest' | 'oldest';
  limit?: number;
  cursor?: string;
}

const STATUSES: readonly OrderStatus[] = ['pending', 'paid', 'cancelled', 'expired', 'refused'];
/**
 * No index leads to the orders of an item: most sales have few items, and every order would pay for it. A
 * page by `sku` looks at these many orders at most, in parts, and goes on with the next page.
 */
const LOOKED_AT_MAX = 2_000;
const LOOKED_AT_ONCE = 500;

/**
 * Whether an order has an item: `lines` are the units that were taken, also those of a kit's parts, and
 * `bought` names the kits. The parameter is made by `lineOf`.
 */
const hasItem = (parameter: string) =>
  `(lines @> ${parameter}::jsonb OR COALESCE(bought @> ${parameter}::jsonb, false))`;
const lineOf = (sku: string) => JSON.stringify([{ sku }]);

/**
 * Lists the orders of a sale for operators, the newest first or the oldest. A page continues after the
 * last order looked at: what is stored meanwhile neither repeats nor hides an order.
 * @returns with `sku`, a page may be short and yet have a `nextCursor`.
 * @throws Problem `sale_not_found`; `invalid_request` when the cursor is not one of ours.
 */
export async function listSaleOrders(
  pool: Pool,
  saleId: string,
  query: SaleOrdersQuery,
): Promise<SealedOrderPage> {
  const { sku, pickupCode, limit = LIMITS.ordersPageDefault } = query;
  const { rowCount } = await pool.query('SELECT FROM sales WHERE id = $1', [saleId]);
  if (rowCount === 0) throw new Problem('sale_not_found');
  if (pickupCode !== undefined) {
    const ids = await findByPickupCode(pool, saleId, pickupCode, sku);
    return ids.length === 0 ? { data: [] } : readPage(pool, saleId, query, ids.length, ids);
  }
  return sku === undefined
    ? readPage(pool, saleId, query, limit)
    : readPageOfItem(pool, saleId, { ...query, sku, limit });
}

async function readPage(
  pool: Pool,
  saleId: string,
  query: SaleOrdersQuery,
  limit: number,
  ids?: string[],
): Promise<SealedOrderPage> {
  const { from, values } = selectOrders(saleId, query, positionOf(query.cursor), limit, ids);
  return toOrderPage(await readOperatorOrders(pool, from, values), limit);
}

/** Looks at whether each order has the item, and reads in full those that are shown. */
async function readPageOfItem(
  pool: Pool,
  saleId: string,
  query: SaleOrdersQuery & { sku: string; limit: number },
): Promise<SealedOrderPage> {
  const { sku, limit } = query;
  const found: OrderPosition[] = [];
  const answer = async (next: OrderPosition | undefined): Promise<SealedOrderPage> => ({
    data: await readFound(
      pool,
      found.slice(0, limit).map(({ id }) => id),
      query,
    ),
    ...(next === undefined ? {} : { nextCursor: formatOrderCursor(next) }),
  });
  let after = positionOf(query.cursor);
  for (let lookedAt = 0; lookedAt < LOOKED_AT_MAX; lookedAt += LOOKED_AT_ONCE) {
    const { from, values } = selectOrders(saleId, query, after, LOOKED_AT_ONCE);
    const { rows } = await pool.query<{ id: string; reserved_at: Date; has_item: boolean }>(
      `SELECT id, reserved_at, ${hasItem(`$${values.length + 1}`)} AS has_item FROM ${from}`,
      [...values, lineOf(sku)],
    );
    const looked = rows.slice(0, LOOKED_AT_ONCE).map(({ id, reserved_at, has_item }) => ({
      position: { id, reservedAt: formatInstant(reserved_at) },
      hasItem: has_item,
    }));
    found.push(...looked.filter((one) => one.hasItem).map(({ position }) => position));
    if (found.length > limit) return answer(found[limit - 1]);
    if (rows.length <= LOOKED_AT_ONCE) return answer(undefined);
    after = looked.at(-1)?.position;
  }
  return answer(after);
}

/** An order that has left the status meanwhile is left out. */
async function readFound(
  pool: Pool,
  ids: string[],
  { status, sort }: SaleOrdersQuery,
): Promise<SealedOrder[]> {
  if (ids.length === 0) return [];
  return readOperatorOrders(
    pool,
    `orders WHERE id = ANY ($1::text[]) AND ($2::text IS NULL OR status = $2) ORDER BY ${orderOf(sort).by}`,
    [ids, status ?? null],
  );
}

/** How rows follow each other. The index leads both ways. */
const orderOf = (sort: SaleOrdersQuery['sort']): { by: string; next: string } =>
  sort === 'oldest' ? { by: 'reserved_at, id', next: '>' } : { by: 'reserved_at DESC, id DESC', next: '<' };

/**
 * Each status has its part of an index, in the order of the list, so a page reads as many rows as it shows
 * of each status, and not those of the others.
 */
function selectOrders(
  saleId: string,
  { status, userId, channelId, since, until, sort }: SaleOrdersQuery,
  after: OrderPosition | undefined,
  limit: number,
  ids?: string[],
): { from: string; values: unknown[] } {
  const { by, next } = orderOf(sort);
  const parts = (status === undefined ? STATUSES : [status]).map(
    (one) => `(SELECT * FROM orders WHERE sale_id = $1 AND status = '${one}'
      AND ($2::text IS NULL OR user_id = $2) AND ($3::text IS NULL OR channel_id = $3)
      AND ($4::timestamptz IS NULL OR reserved_at >= $4)
      AND ($9::timestamptz IS NULL OR reserved_at < $9)
      AND ($8::text[] IS NULL OR id = ANY ($8))
      AND ($5::timestamptz IS NULL OR (reserved_at, id) ${next} ($5, $6::text))
      ORDER BY ${by} LIMIT $7)`,
  );
  return {
    from: `(${parts.join(' UNION ALL ')}) AS orders ORDER BY ${by} LIMIT $7`,
    values: [
      saleId,
      userId ?? null,
      channelId ?? null,
      since ?? null,
      after?.reservedAt ?? null,
      after?.id ?? null,
      rowsOf(limit),
      ids ?? null,
      until ?? null,
    ],
  };
}

/**
 * The orders that a code names at the pick-up points of the sale, and in the sale itself. There are as many
 * at most as the sale has points.
 */
async function findByPickupCode(
  pool: Pool,
  saleId: string,
  code: string,
  sku: string | undefined,
): Promise<string[]> {
  const { rows } = await pool.query<{ order_id: string }>(
    `SELECT order_id FROM pickup_codes WHERE code = $2 AND scope IN (
       SELECT 'sale:' || $1 UNION
       SELECT 'point:' || (channel ->> 'pickupPointId')
       FROM sales CROSS JOIN LATERAL jsonb_array_elements(definition -> 'channels') AS channel WHERE sales.id = $1)
       AND ($3::jsonb IS NULL OR EXISTS (SELECT FROM orders WHERE id = order_id AND ${hasItem('$3')}))`,
    [saleId, code, sku === undefined ? null : lineOf(sku)],
  );
  return rows.map(({ order_id }) => order_id);
}
