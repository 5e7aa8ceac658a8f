/**
 * Baseline: one conditional UPDATE and one INSERT per reservation. Every buyer of a SKU waits for its one
 * row, which stays locked until the commit is on disk. More connections than a few would only wait. With 16
 * the row is busy, and the queue stands in the pool instead of in PostgreSQL's lock table.
 */
import { countOrders, openPostgresShop } from './postgres-shop.ts';
import { serveShop } from './shop.ts';

const CONNECTIONS = 16;

// The page keeps room for new versions of the row, so that an update stays heap-only (HOT) and touches no
// index.
const TABLES = `CREATE TABLE IF NOT EXISTS items (
  sale_id text NOT NULL, sku text NOT NULL, price bigint NOT NULL, currency text NOT NULL,
  total bigint NOT NULL, sold bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (sale_id, sku),
  CONSTRAINT items_sold_within_total CHECK (sold <= total)
) WITH (fillfactor = 10)`;

const RESERVE = `WITH taken AS (
    UPDATE items SET sold = sold + $6::integer WHERE sale_id = $2 AND sku = $5 AND sold + $6::integer <= total
    RETURNING price, currency
  )
  INSERT INTO orders (id, sale_id, user_id, idempotency_key, sku, quantity, channel_id, price, currency)
  SELECT $1, $2, $3, $4, $5, $6::integer, $7, price, currency FROM taken
  RETURNING id, sku, quantity, channel_id, price, currency, reserved_at`;

await serveShop('postgres-row', (reader) => {
  const url = reader.url('DATABASE_URL', ['postgres', 'postgresql']);
  return () =>
    openPostgresShop({
      url,
      schema: 'bench_row',
      connections: CONNECTIONS,
      tables: TABLES,
      reserve: RESERVE,
      async open(pool, saleId, items) {
        for (const { sku, price, total } of items) {
          await pool.query(
            'INSERT INTO items (sale_id, sku, price, currency, total) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING',
            [saleId, sku, price.amount, price.currency, total],
          );
        }
      },
      async count(pool, saleId) {
        const { rows } = await pool.query<{ total: number; sold: number }>(
          'SELECT coalesce(sum(total), 0)::int AS total, coalesce(sum(sold), 0)::int AS sold FROM items WHERE sale_id = $1',
          [saleId],
        );
        const { total = 0, sold = 0 } = rows[0] ?? {};
        return { total, available: total - sold, ...(await countOrders(pool, saleId)) };
      },
    });
});
