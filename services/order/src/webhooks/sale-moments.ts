import type { PoolClient } from '@seckill/runtime';
import { keepEvents } from '../ledger/order-events.ts';

/** The most sales in one pass. The next pass comes within a second. */
const SALES_MAX = 500;

interface SaleRow {
  id: string;
}

/**
 * Keeps what became of sales by Postgres' clock and by the ledger, each once, whoever else runs: the mark and
 * the events are one transaction.
 * @returns how many sales opened, closed or were sold out.
 */
export async function tellSales(client: PoolClient): Promise<number> {
  const opened = await mark(
    client,
    `opening_told = true`,
    `NOT opening_told AND opens_at <= (SELECT clock_timestamp())`,
  );
  const soldOut = await markSoldOut(client);
  const closed = await mark(
    client,
    // A sale that was closed by hand before it opened never opens.
    `closing_told = true, opening_told = true`,
    `NOT closing_told AND (state = 'closed' OR closes_at <= (SELECT clock_timestamp()))`,
  );
  await keepEvents(client, 'sale.opened', opened);
  await keepEvents(client, 'sale.sold_out', soldOut);
  await keepEvents(client, 'sale.closed', closed);
  return opened.length + soldOut.length + closed.length;
}

async function mark(client: PoolClient, change: string, which: string): Promise<string[]> {
  const { rows } = await client.query<SaleRow>(
    `UPDATE sales SET ${change} WHERE id IN (
       SELECT id FROM sales WHERE ${which} LIMIT ${SALES_MAX} FOR NO KEY UPDATE SKIP LOCKED)
     RETURNING id`,
  );
  return rows.map(({ id }) => id);
}

/**
 * A sale is sold out when the ledger has nothing left. Units of unpaid holds may come back and be sold again.
 * Endpoints hear of it once for each total. This reads the ledger of every open sale, so it runs only while
 * an endpoint wants to know.
 */
async function markSoldOut(client: PoolClient): Promise<string[]> {
  const { rowCount } = await client.query(
    `SELECT FROM webhook_endpoints WHERE state <> 'disabled' AND 'sale.sold_out' = ANY (events) LIMIT 1`,
  );
  if (rowCount === 0) return [];
  const { rows } = await client.query<SaleRow>(
    `WITH gone AS MATERIALIZED (
       SELECT sales.id, sum(ledger.total) AS total FROM sales JOIN ledger ON ledger.sale_id = sales.id
       WHERE NOT closing_told AND opening_told
       GROUP BY sales.id HAVING sum(ledger.sold) = sum(ledger.total)
         AND sum(ledger.total) IS DISTINCT FROM sales.sold_out_total),
     locked AS MATERIALIZED (
       SELECT sales.id, gone.total FROM gone JOIN sales ON sales.id = gone.id
       WHERE sales.sold_out_total IS DISTINCT FROM gone.total
       LIMIT ${SALES_MAX} FOR NO KEY UPDATE OF sales SKIP LOCKED)
     UPDATE sales SET sold_out_total = locked.total FROM locked WHERE sales.id = locked.id
     RETURNING sales.id`,
  );
  return rows.map(({ id }) => id);
}
