import { LIMITS, type SaleDefinition } from '@seckill/contracts';
import { transaction, type Pool, type PoolClient } from '@seckill/runtime';
import { writeChange } from './sale-changes.ts';
import { isKit } from './sale-definition.ts';
import { lockSale, type StoredSale } from './sale-store.ts';
import { isInTime } from '../deadline.ts';
import type { Steering } from './steering.ts';

export interface Restock extends Steering {
  saleId: string;
  sku: string;
  /** Units added to the total. */
  quantity: number;
  idempotencyKey: string;
}

export type RestockOutcome =
  | 'restocked'
  | 'repeated'
  | 'sale_not_found'
  | 'key_reused'
  | 'version_conflict'
  | 'sale_closed'
  | 'sku_not_found'
  | 'is_kit'
  | 'total_too_high'
  | 'late';

/**
 * Changes ledger, definition and version in one transaction. Stock hears of the restock afterwards, by the
 * control sync of that version. The ledger therefore never allows less than Redis sells, and no reservation
 * is refused for being early (INV-1). Outcomes are judged in this order: a repeat stays a repeat after the
 * sale has closed.
 */
export async function storeRestock(pool: Pool, restock: Restock): Promise<RestockOutcome> {
  return transaction(pool, async (client) => {
    const sale = await lockSale(client, restock.saleId);
    if (sale === undefined) return 'sale_not_found';
    const known = await readRestock(client, restock);
    if (known !== undefined) {
      const isSame = known.sku === restock.sku && known.quantity === restock.quantity;
      return isSame ? 'repeated' : 'key_reused';
    }
    if (restock.version !== undefined && restock.version !== sale.version) return 'version_conflict';
    if (sale.state === 'closed' || sale.isOver) return 'sale_closed';
    if (isKit(sale.definition, restock.sku)) return 'is_kit';
    const item = sale.definition.items.find(({ sku }) => sku === restock.sku);
    if (item === undefined) return 'sku_not_found';
    item.total += restock.quantity;
    if (item.total > LIMITS.totalMax) return 'total_too_high';
    if (!(await isInTime(client, restock))) return 'late';
    await writeRestock(client, restock, sale);
    return 'restocked';
  });
}

async function readRestock(
  client: PoolClient,
  { saleId, idempotencyKey }: Restock,
): Promise<{ sku: string; quantity: number } | undefined> {
  const { rows } = await client.query<{ sku: string; quantity: string }>(
    'SELECT sku, quantity FROM restocks WHERE sale_id = $1 AND idempotency_key = $2',
    [saleId, idempotencyKey],
  );
  return rows[0] && { sku: rows[0].sku, quantity: Number(rows[0].quantity) };
}

/** @param sale with the total that the item has from now on. */
async function writeRestock(
  client: PoolClient,
  restock: Restock,
  { definition, version }: StoredSale,
): Promise<void> {
  const { saleId, sku, quantity, idempotencyKey } = restock;
  const total = totalOf(definition, sku);
  await client.query(
    'INSERT INTO restocks (sale_id, idempotency_key, sku, quantity) VALUES ($1, $2, $3, $4)',
    [saleId, idempotencyKey, sku, quantity],
  );
  await client.query('UPDATE sales SET definition = $2, version = version + 1 WHERE id = $1', [
    saleId,
    JSON.stringify(definition),
  ]);
  await writeChange(
    client,
    {
      saleId,
      version: version + 1,
      action: 'restock',
      before: { sku, total: total - quantity },
      after: { sku, total },
    },
    restock,
  );
  // Last, because the intake waits for this row.
  await client.query('UPDATE ledger SET total = total + $3 WHERE sale_id = $1 AND sku = $2', [
    saleId,
    sku,
    quantity,
  ]);
}

function totalOf({ items }: SaleDefinition, sku: string): number {
  return items.find((item) => item.sku === sku)?.total ?? 0;
}
