import { transaction, type Pool, type PoolClient } from '@seckill/runtime';
import { distrustEpochs, type DistrustedEpoch } from '../sales/distrusted-epochs.ts';

/**
 * Sets the epoch of the sale and of its ledger, whose rows it takes in the order of (sale, sku). The
 * statement waits for the intake's transactions that hold these rows. When this function returns, the orders
 * of those transactions are committed and can be read, and every transaction that locks the ledger later
 * finds this epoch. The caller holds the sale's row.
 */
export async function setEpoch(client: PoolClient, saleId: string, epoch: number): Promise<void> {
  await client.query('UPDATE sales SET epoch = $2 WHERE id = $1', [saleId, epoch]);
  await client.query('SELECT FROM ledger WHERE sale_id = $1 ORDER BY sku FOR NO KEY UPDATE', [saleId]);
  await client.query('UPDATE ledger SET epoch = $2 WHERE sale_id = $1', [saleId, epoch]);
}

/**
 * Redis stands at epochs that Postgres never heard of: Postgres was restored to before it raised them (D32).
 * These epochs count as opened and are distrusted, so that the sale is loaded anew, above them. Each sale has
 * a transaction of its own, before the one that stores the orders: the sale's row is locked before orders and
 * ledger.
 * @returns the epochs that were trusted until now.
 */
export async function liftEpochs(
  pool: Pool,
  seen: { saleId: string; epoch: number }[],
): Promise<DistrustedEpoch[]> {
  const highest = new Map<string, number>();
  for (const { saleId, epoch } of seen) highest.set(saleId, Math.max(epoch, highest.get(saleId) ?? 0));
  const { rows } = await pool.query<{ id: string; epoch: string }>(
    `SELECT sales.id, seen.epoch FROM unnest($1::text[], $2::bigint[]) AS seen (sale_id, epoch)
     JOIN sales ON sales.id = seen.sale_id AND sales.epoch < seen.epoch`,
    [[...highest.keys()], [...highest.values()]],
  );
  const distrusted: DistrustedEpoch[] = [];
  for (const { id, epoch } of rows) distrusted.push(...(await liftEpoch(pool, id, Number(epoch))));
  return distrusted;
}

async function liftEpoch(pool: Pool, saleId: string, epoch: number): Promise<DistrustedEpoch[]> {
  return transaction(pool, async (client) => {
    const { rowCount } = await client.query(
      'UPDATE sales SET epoch = $2, opened_epoch = $2 WHERE id = $1 AND epoch < $2',
      [saleId, epoch],
    );
    // Another replica was quicker and has done it.
    if (rowCount !== 1) return [];
    await setEpoch(client, saleId, epoch);
    return distrustEpochs(client, [{ saleId, epoch, reason: 'restored' }]);
  });
}
