import { ERASED_CONTACT, parseReservationId } from '@seckill/contracts';
import { Problem, type Pool } from '@seckill/runtime';

/** Orders of one statement: 20 ms, in which nobody else may change them. */
const BATCH_COUNT = 1_000;

/**
 * Erases the contact of an order. A repeat changes nothing.
 * @returns whether there was one.
 * @throws Problem `order_not_found`, also while the row is on its way.
 */
export async function eraseOfOrder(pool: Pool, orderId: string): Promise<boolean> {
  if (parseReservationId(orderId) === undefined) throw new Problem('order_not_found');
  const { rows } = await pool.query<{ is_erased: boolean }>(
    `WITH found AS (SELECT id, contact FROM orders WHERE id = $1 FOR UPDATE),
       erased AS (UPDATE orders SET contact = $2 FROM found
         WHERE orders.id = found.id AND found.contact IS NOT NULL AND found.contact <> $2 RETURNING orders.id)
     SELECT EXISTS (SELECT FROM erased) AS is_erased FROM found`,
    [orderId, ERASED_CONTACT],
  );
  const [row] = rows;
  if (row === undefined) throw new Problem('order_not_found');
  return row.is_erased;
}

/**
 * Erases the contacts of a sale, some orders at a time, in the order of their ids, as everything locks them.
 * An order that is stored behind the one that was looked at last is not met: the command is repeated then.
 * @param onProgress hears after each part how many orders were looked at and how many contacts erased.
 * @returns how many were erased.
 * @throws Problem `sale_not_found`
 */
export async function eraseOfSale(
  pool: Pool,
  saleId: string,
  onProgress: (lookedAt: number, erased: number) => void = () => undefined,
): Promise<number> {
  const { rowCount } = await pool.query('SELECT FROM sales WHERE id = $1', [saleId]);
  if (rowCount === 0) throw new Problem('sale_not_found');
  let lookedAt = 0;
  let erased = 0;
  for (let after = ''; ;) {
    const { rows } = await pool.query<{ count: number; last: string | null; erased: number }>(
      `WITH page AS (
         SELECT id, contact FROM orders WHERE id > $1 || '.' AND id < $1 || '/' AND id > $2
         ORDER BY id LIMIT $3 FOR UPDATE),
       erased AS (UPDATE orders SET contact = $4 FROM page
         WHERE orders.id = page.id AND page.contact IS NOT NULL AND page.contact <> $4 RETURNING orders.id)
       SELECT count(*)::int AS count, max(id) AS last, (SELECT count(*)::int FROM erased) AS erased FROM page`,
      [saleId, after, BATCH_COUNT, ERASED_CONTACT],
    );
    const [page] = rows;
    if (page === undefined || page.last === null) return erased;
    lookedAt += page.count;
    erased += page.erased;
    onProgress(lookedAt, erased);
    after = page.last;
  }
}
