import type { SaleAction } from '@seckill/contracts';
import { transaction, type Pool, type PoolClient } from '@seckill/runtime';
import { writeChange } from './sale-changes.ts';
import { loosestOf, type Edited } from './sale-patch.ts';
import { insertGroups, lockSale, type StoredSale } from './sale-store.ts';
import type { Steering } from './steering.ts';

export interface Edit extends Steering {
  saleId: string;
  action: SaleAction;
  /**
   * Makes the definition of the sale, which is neither closed nor over. The function may throw a Problem.
   * @param now Postgres' clock, milliseconds since the epoch.
   */
  edit: (sale: StoredSale, now: number) => Edited;
}

export type EditOutcome =
  'edited' | 'unchanged' | 'sale_not_found' | 'version_conflict' | 'sale_closed' | 'late';

/**
 * Changes the definition of a sale under the next version, in one transaction with its row of the audit
 * trail. Stock hears of it afterwards, by the control sync. An edit that changes nothing makes no version:
 * it is a repeat.
 */
export async function storeEdit(
  pool: Pool,
  { saleId, action, edit, ...steering }: Edit,
): Promise<EditOutcome> {
  return transaction(pool, async (client) => {
    const sale = await lockSale(client, saleId);
    if (sale === undefined) return 'sale_not_found';
    // Judged under the lock of the sale: to wait for it may have taken all of the time.
    const now = await readNow(client);
    const isVersion = steering.version === undefined || steering.version === sale.version;
    // The edit itself made the next version: this may be its repeat.
    if (!isVersion && sale.version !== (steering.version ?? 0) + 1) return 'version_conflict';
    if (sale.state === 'closed' || Date.parse(sale.definition.closesAt) <= now) return 'sale_closed';
    const edited = edit(sale, now);
    const isChanged = Object.keys({ ...edited.before, ...edited.after }).length > 0;
    if (!isChanged) return 'unchanged';
    if (!isVersion) return 'version_conflict';
    if (steering.deadline !== undefined && now > steering.deadline) return 'late';
    await writeEdit(client, sale, edited);
    const { before, after } = edited;
    await writeChange(client, { saleId, version: sale.version + 1, action, before, after }, steering);
    return 'edited';
  });
}

async function readNow(client: PoolClient): Promise<number> {
  const { rows } = await client.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  return rows[0]?.now.getTime() ?? NaN;
}

/** Another window is another place in the list of sales: `state_at` tells whoever reads it by pages. */
async function writeEdit(client: PoolClient, sale: StoredSale, { definition }: Edited): Promise<void> {
  const loosest = loosestOf(sale.loosestLimits ?? sale.definition, definition);
  await client.query(
    `UPDATE sales SET definition = $2, opens_at = $3, closes_at = $4, loosest_limits = $5, version = version + 1,
       state_at = CASE WHEN (opens_at, closes_at) = ($3, $4) THEN state_at ELSE clock_timestamp() END
     WHERE id = $1`,
    [
      definition.id,
      JSON.stringify(definition),
      definition.opensAt,
      definition.closesAt,
      loosest === undefined ? null : JSON.stringify(loosest),
    ],
  );
  await insertGroups(client, definition);
}
