import type { OrderStatus, ReportRefunds, SaleDefinition } from '@seckill/contracts';
import { Problem, transaction, type Pool, type PoolClient } from '@seckill/runtime';
import { ORDER_WAIT_MINUTES, REASON_OF_RETURN } from '../payments/refunds.ts';

/** Refs are a buyer's own words, so a crowd may make as many as it likes. These are listed. */
export const REFS_MAX = 1_000;
/** A week of minutes, 1 MB. */
export const MINUTES_MAX = 10_080;
/** A provider signs for the currencies: a handful. */
const REFUNDS_MAX = 100;
/** For groups by item, status, channel and ref. More of them spill to disk. */
const WORK_MEMORY = '64MB';

/** Units and minor units of an item, of orders with one status and channel; null: no channel. */
export interface SoldCell {
  sku: string;
  status: OrderStatus;
  channelId: string | null;
  units: number;
  amount: number;
}

/** What came back of paid orders. */
export interface ReturnedCell {
  sku: string;
  channelId: string | null;
  units: number;
  restocked: number;
  amount: number;
}

export interface RefCell {
  channelId: string | null;
  ref: string;
  paidUnits: number;
  amount: number;
  amountReturned: number;
}

export interface MinuteCell {
  at: Date;
  reserved: number;
  paid: number;
  ended: number;
  returned: number;
}

/** Everything that a report is made of, as one snapshot of PostgreSQL has it. */
export interface ReportReading {
  asOf: Date;
  definition: SaleDefinition;
  ledger: { sku: string; total: number; sold: number }[];
  sold: SoldCell[];
  returned: ReturnedCell[];
  refs: { listed: RefCell[]; count: number };
  minutes: { listed: MinuteCell[]; count: number };
  refunds: {
    state: 'due' | 'done';
    reason: ReportRefunds['reason'];
    currency: string;
    count: number;
    amount: number;
  }[];
}

/**
 * Reads in one transaction, so that the numbers belong together while orders change. A reading unfolds the
 * lines of all orders twice. To count equal lines first would be slower: PostgreSQL takes longer to compare
 * two lists of lines than to unfold one (1,000,000 orders: 1.2 s instead of 0.7).
 * @throws Problem `sale_not_found`
 */
export async function readReport(pool: Pool, saleId: string): Promise<ReportReading> {
  return transaction(pool, async (client) => {
    await client.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    // The planner takes each order for one of a hundred lines. The planner would then sort all of them to
    // group them, also piece by piece along an index (the minutes of 1,000,000 orders in 1.9 s instead of
    // 0.5), or compile code for them.
    await client.query(
      `SET LOCAL enable_sort = off; SET LOCAL enable_incremental_sort = off; SET LOCAL jit = off;
       SET LOCAL work_mem = '${WORK_MEMORY}'`,
    );
    const sale = await readSale(client, saleId);
    if (sale === undefined) throw new Problem('sale_not_found');
    return {
      ...sale,
      ledger: await readLedger(client, saleId),
      ...(await readSold(client, saleId, sale.definition.kits !== undefined)),
      minutes: await readMinutes(client, saleId),
      refunds: await readRefunds(client, saleId),
    };
  });
}

async function readSale(
  client: PoolClient,
  saleId: string,
): Promise<Pick<ReportReading, 'asOf' | 'definition'> | undefined> {
  // The transaction began before its snapshot was made. A replica has what was committed up to the last
  // transaction that it replayed.
  const { rows } = await client.query<{ definition: SaleDefinition; as_of: Date }>(
    `SELECT definition, CASE WHEN pg_is_in_recovery()
         THEN COALESCE(pg_last_xact_replay_timestamp(), (SELECT checkpoint_time FROM pg_control_checkpoint()))
         ELSE now() END AS as_of
     FROM sales WHERE id = $1`,
    [saleId],
  );
  return rows[0] && { definition: rows[0].definition, asOf: rows[0].as_of };
}

async function readLedger(client: PoolClient, saleId: string): Promise<ReportReading['ledger']> {
  const { rows } = await client.query<{ sku: string; total: string; sold: string }>(
    'SELECT sku, total, sold FROM ledger WHERE sale_id = $1',
    [saleId],
  );
  return rows.map(({ sku, total, sold }) => ({ sku, total: Number(total), sold: Number(sold) }));
}

interface SoldRow {
  kind: 'sold' | 'returned' | 'ref';
  sku: string;
  status: OrderStatus;
  channel_id: string | null;
  ref: string;
  units: string;
  amount: string;
  restocked: string;
  amount_returned: string;
  refs: string;
}

/**
 * The returns of a sale with their lines; an order has one price for each item. A kit has the money, and its
 * parts have the units.
 */
const BACK = `
  SELECT piece.sku, piece.quantity, restocked, at, orders.channel_id, orders.ref, piece.amount
  FROM returns JOIN orders ON orders.id = returns.order_id
  CROSS JOIN LATERAL jsonb_to_recordset(returns.lines) AS line (sku text, quantity bigint)
  CROSS JOIN LATERAL (SELECT price
    FROM jsonb_to_recordset(COALESCE(orders.bought, orders.lines)) AS bought (sku text, price bigint)
    WHERE bought.sku = line.sku LIMIT 1) AS bought
  LEFT JOIN LATERAL (SELECT kit -> 'components' AS components
    FROM sales, jsonb_array_elements(sales.definition -> 'kits') AS kit
    WHERE sales.id = $1 AND orders.bought IS NOT NULL AND kit ->> 'sku' = line.sku) AS kit ON true
  CROSS JOIN LATERAL (
    SELECT line.sku, CASE WHEN kit.components IS NULL THEN line.quantity ELSE 0 END AS quantity,
      line.quantity * bought.price AS amount
    UNION ALL
    SELECT part.sku, part.quantity * line.quantity, 0
    FROM jsonb_to_recordset(kit.components) AS part (sku text, quantity bigint)) AS piece
  WHERE returns.order_id > $1 || '.' AND returns.order_id < $1 || '/'`;

/**
 * The money of orders with a kit: their lines have the units of its parts, and what was bought has the
 * prices.
 */
const BOUGHT = `
  UNION ALL
  SELECT line.sku, status, channel_id, ref, 0, sum(quantity * price)
  FROM orders CROSS JOIN LATERAL jsonb_to_recordset(bought) AS line (sku text, quantity bigint, price bigint)
  WHERE sale_id = $1 AND bought IS NOT NULL GROUP BY line.sku, status, channel_id, ref`;

async function readSold(
  client: PoolClient,
  saleId: string,
  hasKits: boolean,
): Promise<Pick<ReportReading, 'sold' | 'returned' | 'refs'>> {
  const { rows } = await client.query<SoldRow>(
    `WITH sold AS MATERIALIZED (
       SELECT line.sku, status, channel_id, ref, sum(quantity) AS units,
         sum(CASE WHEN bought IS NULL THEN quantity * price ELSE 0 END) AS amount
       FROM orders CROSS JOIN LATERAL jsonb_to_recordset(lines) AS line (sku text, quantity bigint, price bigint)
       WHERE sale_id = $1 GROUP BY line.sku, status, channel_id, ref
       ${hasKits ? BOUGHT : ''}),
     back AS MATERIALIZED (${BACK}),
     paid_refs AS (
       SELECT COALESCE(channel_id, '') AS channel, ref, sum(units) AS units, sum(amount) AS amount
       FROM sold WHERE status = 'paid' AND ref IS NOT NULL GROUP BY 1, ref),
     back_refs AS (
       SELECT COALESCE(channel_id, '') AS channel, ref, sum(amount) AS amount
       FROM back WHERE ref IS NOT NULL GROUP BY 1, ref)
     SELECT 'sold' AS kind, sku, status, channel_id, NULL AS ref, sum(units) AS units, sum(amount) AS amount,
       NULL::numeric AS restocked, NULL::numeric AS amount_returned, NULL::bigint AS refs
     FROM sold GROUP BY sku, status, channel_id
     UNION ALL
     SELECT 'returned', sku, NULL, channel_id, NULL, sum(quantity), sum(amount),
       COALESCE(sum(quantity) FILTER (WHERE restocked), 0), NULL, NULL
     FROM back GROUP BY sku, channel_id
     UNION ALL
     (SELECT 'ref', NULL, NULL, NULLIF(channel, ''), ref, paid_refs.units, paid_refs.amount, NULL,
        COALESCE(back_refs.amount, 0), count(*) OVER ()
      FROM paid_refs LEFT JOIN back_refs USING (channel, ref)
      ORDER BY paid_refs.units DESC, channel, ref LIMIT ${REFS_MAX})`,
    [saleId],
  );
  const of = (kind: SoldRow['kind']) => rows.filter((row) => row.kind === kind);
  return {
    sold: of('sold').map(({ sku, status, channel_id, units, amount }) => ({
      sku,
      status,
      channelId: channel_id,
      units: Number(units),
      amount: Number(amount),
    })),
    returned: of('returned').map(({ sku, channel_id, units, restocked, amount }) => ({
      sku,
      channelId: channel_id,
      units: Number(units),
      restocked: Number(restocked),
      amount: Number(amount),
    })),
    refs: {
      listed: of('ref').map(({ channel_id, ref, units, amount, amount_returned }) => ({
        channelId: channel_id,
        ref,
        paidUnits: Number(units),
        amount: Number(amount),
        amountReturned: Number(amount_returned),
      })),
      count: Number(of('ref')[0]?.refs ?? 0),
    },
  };
}

async function readMinutes(client: PoolClient, saleId: string): Promise<ReportReading['minutes']> {
  const minuteOf = (at: string) => `date_bin('1 minute', ${at}, 'epoch')`;
  const { rows } = await client.query<Record<keyof MinuteCell | 'minutes', string> & { at: Date }>(
    `WITH moved AS MATERIALIZED (
       SELECT status, ${minuteOf('reserved_at')} AS reserved_at,
         ${minuteOf('COALESCE(paid_at, ended_at)')} AS settled_at, sum(quantity) AS units
       FROM orders CROSS JOIN LATERAL jsonb_to_recordset(lines) AS line (quantity bigint)
       WHERE sale_id = $1 GROUP BY 1, 2, 3),
     back AS (${BACK})
     SELECT at, sum(reserved) AS reserved, sum(paid) AS paid, sum(ended) AS ended, sum(returned) AS returned,
       count(*) OVER () AS minutes
     FROM (
       SELECT reserved_at AS at, units AS reserved, 0 AS paid, 0 AS ended, 0 AS returned FROM moved
       UNION ALL
       SELECT settled_at, 0, CASE status WHEN 'paid' THEN units ELSE 0 END,
         CASE status WHEN 'paid' THEN 0 ELSE units END, 0
       FROM moved WHERE settled_at IS NOT NULL
       UNION ALL
       SELECT ${minuteOf('at')}, 0, 0, 0, quantity FROM back) AS happened
     GROUP BY at ORDER BY at LIMIT ${MINUTES_MAX}`,
    [saleId],
  );
  const listed = rows.map(({ at, reserved, paid, ended, returned }) => ({
    at,
    reserved: Number(reserved),
    paid: Number(paid),
    ended: Number(ended),
    returned: Number(returned),
  }));
  return { listed, count: Number(rows[0]?.minutes ?? 0) };
}

/** As the list of refunds names them (payments/refunds.ts). */
async function readRefunds(client: PoolClient, saleId: string): Promise<ReportReading['refunds']> {
  const ofSale = `order_id > $1 || '.' AND order_id < $1 || '/'`;
  const { rows } = await client.query<{
    state: 'due' | 'done';
    reason: ReportRefunds['reason'];
    currency: string;
    count: string;
    amount: string;
  }>(
    `SELECT state, reason, currency, count(*) AS count, sum(amount) AS amount FROM (
       SELECT 'due' AS state, refund_reason AS reason, currency, amount FROM payments
         WHERE result = 'refund_due' AND refunded_at IS NULL AND amount > 0 AND ${ofSale}
       UNION ALL
       SELECT 'done', refund_reason, currency, amount FROM payments WHERE refunded_at IS NOT NULL
         AND amount > 0 AND ${ofSale}
       UNION ALL
       SELECT 'due', 'no_order_yet', currency, amount FROM payments WHERE result = 'recorded'
         AND amount > 0
         AND received_at < now() - make_interval(mins => ${ORDER_WAIT_MINUTES}) AND ${ofSale}
       UNION ALL
       SELECT CASE WHEN refunded_at IS NULL THEN 'due' ELSE 'done' END, ${REASON_OF_RETURN}, currency, amount
         FROM returns WHERE amount > 0 AND ${ofSale}) AS refunds
     GROUP BY state, reason, currency ORDER BY state DESC, reason, currency LIMIT ${REFUNDS_MAX}`,
    [saleId],
  );
  return rows.map((row) => ({ ...row, count: Number(row.count), amount: Number(row.amount) }));
}
