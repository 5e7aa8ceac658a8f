/**
 * Baseline: a row per unit. A buyer locks free rows that nobody else has locked. No row is hot. But a
 * reservation moves as many rows as it takes units, and each row leaves a dead entry in the index of free
 * units until vacuum comes.
 */
import { countOrders, openPostgresShop } from './postgres-shop.ts';
import { serveShop } from './shop.ts';

/** Nobody waits for a row here; two cores do not serve more at once. */
const CONNECTIONS = 16;

// With a key of the id alone the planner walks the key from its beginning, through the units of all earlier
// sales.
const TABLES = `CREATE TABLE IF NOT EXISTS units (
  id bigint GENERATED ALWAYS AS IDENTITY,
  sale_id text NOT NULL, sku text NOT NULL, price bigint NOT NULL, currency text NOT NULL, order_id text,
  PRIMARY KEY (sale_id, sku, id)
);
CREATE INDEX IF NOT EXISTS units_free ON units (sale_id, sku, id) WHERE order_id IS NULL`;

// With too few free units `enough` is empty, and nothing is written. The ids are an array because the planner
// does not know how many rows a LIMIT of a parameter gives. Without the array it takes a tenth of the table
// for granted and would join by reading all of it.
const RESERVE = `WITH free AS (
    SELECT id, price, currency FROM units WHERE sale_id = $2 AND sku = $5 AND order_id IS NULL
    ORDER BY id LIMIT $6::integer FOR UPDATE SKIP LOCKED
  ), enough AS (
    SELECT id, price, currency FROM free WHERE (SELECT count(*) FROM free) = $6::integer
  ), taken AS (
    UPDATE units SET order_id = $1
    WHERE sale_id = $2 AND sku = $5 AND id = ANY (ARRAY(SELECT id FROM enough)) RETURNING id
  )
  INSERT INTO orders (id, sale_id, user_id, idempotency_key, sku, quantity, channel_id, price, currency)
  SELECT $1, $2, $3, $4, $5, $6::integer, $7, price, currency FROM enough LIMIT 1
  RETURNING id, sku, quantity, channel_id, price, currency, reserved_at`;

await serveShop('postgres-skip-locked', (reader) => {
  const url = reader.url('DATABASE_URL', ['postgres', 'postgresql']);
  return () =>
    openPostgresShop({
      url,
      schema: 'bench_skip_locked',
      connections: CONNECTIONS,
      tables: TABLES,
      reserve: RESERVE,
      async open(pool, saleId, items) {
        for (const { sku, price, total } of items) {
          await pool.query(
            `INSERT INTO units (sale_id, sku, price, currency)
             SELECT $1, $2, $3, $4 FROM generate_series(1, $5::integer)
              WHERE NOT EXISTS (SELECT FROM units WHERE sale_id = $1 AND sku = $2)`,
            [saleId, sku, price.amount, price.currency, total],
          );
        }
        await pool.query('ANALYZE units');
      },
      async count(pool, saleId) {
        const { rows } = await pool.query<{ total: number; available: number }>(
          `SELECT count(*)::int AS total, (count(*) FILTER (WHERE order_id IS NULL))::int AS available
             FROM units WHERE sale_id = $1`,
          [saleId],
        );
        const { total = 0, available = 0 } = rows[0] ?? {};
        return { total, available, ...(await countOrders(pool, saleId)) };
      },
    });
});
