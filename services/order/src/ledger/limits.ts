import type { PoolClient } from '@seckill/runtime';
import type { Reserved } from './reservation-message.ts';

/**
 * Units that a buyer or a channel may still take, shared by all its orders. The number is below 0 when
 * more is taken already.
 */
export interface Allowance {
  left: number;
  /** The item whose units are meant; absent: the units of all items. */
  sku?: string;
}

interface AllowanceRow {
  sale_id: string;
  taker: string;
  units_left: string;
}

const keyOf = (...parts: [kind: 'buyer' | 'items' | 'channel', saleId: string, taker: string]) =>
  JSON.stringify(parts);

/**
 * Keeps INV-6 where Redis could not (D31). An allowance is what the sale's definition allows, less the
 * pending and paid units of all other orders that did not come back. The caller holds all ledger rows of the
 * sales, so whoever inserted an order of them before has committed.
 * @param orders inserted by the caller's transaction.
 * @returns by reservation id; an order without limits has none.
 */
export async function readAllowances(
  client: PoolClient,
  orders: Reserved[],
): Promise<Map<string, Allowance[]>> {
  if (orders.length === 0) return new Map();
  const ids = orders.map(({ reservationId }) => reservationId);
  const allowances = new Map<string, Allowance>();
  const items = new Map<string, Allowance[]>();
  for (const { sale_id, taker, sku, units_left } of await readItems(client, ids)) {
    const key = keyOf('items', sale_id, taker);
    items.set(key, [...(items.get(key) ?? []), { sku, left: Number(units_left) }]);
  }
  for (const { sale_id, taker, units_left } of await readBuyers(client, ids)) {
    allowances.set(keyOf('buyer', sale_id, taker), { left: Number(units_left) });
  }
  for (const { sale_id, taker, units_left } of await readChannels(client, ids)) {
    allowances.set(keyOf('channel', sale_id, taker), { left: Number(units_left) });
  }
  return new Map(
    orders.map(({ reservationId, saleId, userId, channelId }) => {
      const buyer = allowances.get(keyOf('buyer', saleId, userId));
      const channel =
        channelId === undefined ? undefined : allowances.get(keyOf('channel', saleId, channelId));
      const ofItems = items.get(keyOf('items', saleId, userId)) ?? [];
      return [reservationId, [buyer, channel, ...ofItems].filter((one) => one !== undefined)];
    }),
  );
}

async function readBuyers(client: PoolClient, ids: string[]): Promise<AllowanceRow[]> {
  const { rows } = await client.query<AllowanceRow>(
    `SELECT wanted.sale_id, wanted.user_id AS taker,
       (COALESCE(sales.loosest_limits, sales.definition) ->> 'limitPerBuyer')::bigint - COALESCE((
         SELECT sum((line ->> 'quantity')::bigint) FROM orders, jsonb_array_elements(orders.lines) AS line
         WHERE orders.sale_id = wanted.sale_id AND orders.user_id = wanted.user_id
           AND orders.status IN ('pending', 'paid') AND orders.id <> ALL ($1::text[])), 0) + COALESCE((
         SELECT sum((line ->> 'returned')::bigint)
         FROM orders, jsonb_array_elements(orders.returned -> 'lines') AS line
         WHERE orders.sale_id = wanted.sale_id AND orders.user_id = wanted.user_id
           AND orders.returned IS NOT NULL AND orders.id <> ALL ($1::text[])), 0) AS units_left
     FROM (SELECT DISTINCT sale_id, user_id FROM orders WHERE id = ANY ($1)) AS wanted
     JOIN sales ON sales.id = wanted.sale_id
     WHERE COALESCE(sales.loosest_limits, sales.definition) ? 'limitPerBuyer'`,
    [ids],
  );
  return rows;
}

/**
 * The limit of each item that has one of its own. Such a limit never changes, so the definition has the
 * loosest one.
 */
async function readItems(client: PoolClient, ids: string[]): Promise<(AllowanceRow & { sku: string })[]> {
  const { rows } = await client.query<AllowanceRow & { sku: string }>(
    `SELECT wanted.sale_id, wanted.user_id AS taker, item ->> 'sku' AS sku,
       (item ->> 'limitPerBuyer')::bigint - COALESCE((
         SELECT sum((line ->> 'quantity')::bigint) FROM orders, jsonb_array_elements(orders.lines) AS line
         WHERE orders.sale_id = wanted.sale_id AND orders.user_id = wanted.user_id
           AND line ->> 'sku' = item ->> 'sku'
           AND orders.status IN ('pending', 'paid') AND orders.id <> ALL ($1::text[])), 0) + COALESCE((
         SELECT sum((line ->> 'returned')::bigint)
         FROM orders, jsonb_array_elements(orders.returned -> 'lines') AS line
         WHERE orders.sale_id = wanted.sale_id AND orders.user_id = wanted.user_id
           AND line ->> 'sku' = item ->> 'sku'
           AND orders.returned IS NOT NULL AND orders.id <> ALL ($1::text[])), 0) AS units_left
     FROM (SELECT DISTINCT sale_id, user_id FROM orders WHERE id = ANY ($1)) AS wanted
     JOIN sales ON sales.id = wanted.sale_id, jsonb_array_elements(sales.definition -> 'items') AS item
     WHERE item ? 'limitPerBuyer'`,
    [ids],
  );
  return rows;
}

/**
 * No index leads to the orders of a channel, so all orders of the sale are read. Only a late order pays
 * for that.
 */
async function readChannels(client: PoolClient, ids: string[]): Promise<AllowanceRow[]> {
  const { rows } = await client.query<AllowanceRow>(
    `SELECT wanted.sale_id, wanted.channel_id AS taker,
       (channel ->> 'cap')::bigint - COALESCE((
         SELECT sum((line ->> 'quantity')::bigint) FROM orders, jsonb_array_elements(orders.lines) AS line
         WHERE orders.sale_id = wanted.sale_id AND orders.channel_id = wanted.channel_id
           AND orders.status IN ('pending', 'paid') AND orders.id <> ALL ($1::text[])), 0) + COALESCE((
         SELECT sum((line ->> 'returned')::bigint)
         FROM orders, jsonb_array_elements(orders.returned -> 'lines') AS line
         WHERE orders.sale_id = wanted.sale_id AND orders.channel_id = wanted.channel_id
           AND orders.returned IS NOT NULL AND orders.id <> ALL ($1::text[])), 0) AS units_left
     FROM (SELECT DISTINCT sale_id, channel_id FROM orders WHERE id = ANY ($1)) AS wanted
     JOIN sales ON sales.id = wanted.sale_id,
       jsonb_array_elements(COALESCE(sales.loosest_limits, sales.definition) -> 'channels') AS channel
     WHERE channel ->> 'id' = wanted.channel_id AND channel ? 'cap'`,
    [ids],
  );
  return rows;
}
