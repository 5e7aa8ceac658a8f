import type { ControlAcknowledgement, SaleDefinition } from '@seckill/contracts';
import { transaction, type Pool, type PoolClient } from '@seckill/runtime';
import { writeChange } from './sale-changes.ts';
import { isKit } from './sale-definition.ts';
import { lockSale, type StoredSale } from './sale-store.ts';
import { isInTime } from '../deadline.ts';
import type { Operator, Steering } from './steering.ts';

/** Units to be taken out of an item. */
export interface Adjustment extends Steering {
  saleId: string;
  sku: string;
  /** Above 0. */
  quantity: number;
  idempotencyKey: string;
}

export type AdjustmentOutcome =
  | 'stored'
  | 'repeated'
  | 'sale_not_found'
  | 'key_reused'
  | 'version_conflict'
  | 'sale_closed'
  | 'sku_not_found'
  | 'is_kit'
  | 'undecided'
  | 'late';

/**
 * Stores what is to be taken out, under the next version. Redis decides how many units that are, because only
 * Redis knows what is available (D63). An item has one undecided adjustment at a time: `undecided`. Outcomes
 * are judged in this order: a repeat stays a repeat after the sale has closed.
 */
export async function storeAdjustment(pool: Pool, adjustment: Adjustment): Promise<AdjustmentOutcome> {
  return transaction(pool, async (client) => {
    const { saleId, sku, quantity, idempotencyKey, by, reason } = adjustment;
    const sale = await lockSale(client, saleId);
    if (sale === undefined) return 'sale_not_found';
    const known = await readByKey(client, saleId, idempotencyKey);
    if (known !== undefined) {
      return known.sku === sku && Number(known.asked) === quantity ? 'repeated' : 'key_reused';
    }
    if (adjustment.version !== undefined && adjustment.version !== sale.version) return 'version_conflict';
    if (sale.state === 'closed' || sale.isOver) return 'sale_closed';
    if (isKit(sale.definition, sku)) return 'is_kit';
    if (!sale.definition.items.some((item) => item.sku === sku)) return 'sku_not_found';
    if (!(await isInTime(client, adjustment))) return 'late';
    const { rowCount } = await client.query(
      `INSERT INTO adjustments (sale_id, idempotency_key, sku, asked, by, reason) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (sale_id, sku) WHERE taken IS NULL DO NOTHING`,
      [saleId, idempotencyKey, sku, quantity, by ?? null, reason ?? null],
    );
    if (rowCount === 0) return 'undecided';
    await client.query('UPDATE sales SET version = version + 1 WHERE id = $1', [saleId]);
    return 'stored';
  });
}

/** @returns the units that were taken out; undefined: not decided yet. */
export async function readTaken(
  pool: Pool,
  { saleId, idempotencyKey }: Pick<Adjustment, 'saleId' | 'idempotencyKey'>,
): Promise<number | undefined> {
  const row = await readByKey(pool, saleId, idempotencyKey);
  return row?.taken === null || row === undefined ? undefined : Number(row.taken);
}

async function readByKey(client: Pool | PoolClient, saleId: string, idempotencyKey: string) {
  const { rows } = await client.query<{ sku: string; asked: string; taken: string | null }>(
    'SELECT sku, asked, taken FROM adjustments WHERE sale_id = $1 AND idempotency_key = $2',
    [saleId, idempotencyKey],
  );
  return rows[0];
}

interface Undecided {
  id: string;
  sku: string;
  asked: string;
  by: string | null;
  reason: string | null;
}

/**
 * Lowers definition and ledger, once, by the units that Redis has taken out, as stock tells. Stock's answer
 * counts only while the lane is still the one that stock looked at. A lane is another one as soon as its
 * epoch was raised, or order let it open again, after the control state was read that stock has answered.
 * Redis may then have lost the units that stock told of, and the adjustment is decided anew, under the next
 * version. Everything happens under the sale's lock, which snapshots and openings take as well. A snapshot or
 * an opening that comes later finds the lower total together with the acknowledged version.
 * @param sent the sale as its control state was sent.
 */
export async function decideAdjustments(
  pool: Pool,
  sent: StoredSale,
  { version, epoch, adjusted = [] }: ControlAcknowledgement,
): Promise<void> {
  await transaction(pool, async (client) => {
    const saleId = sent.definition.id;
    const sale = await lockSale(client, saleId);
    if (sale === undefined) return;
    const sentIds = new Set(sent.adjustments.map(({ id }) => id));
    const undecided = (await readUndecided(client, saleId)).filter(({ id }) => sentIds.has(id));
    const isSameLane = sale.epoch === epoch && sale.openings === sent.openings;
    await client.query(
      'UPDATE sales SET acknowledged_version = GREATEST(acknowledged_version, LEAST($2, version)) WHERE id = $1',
      [saleId, version],
    );
    for (const adjustment of undecided) {
      const taken = isSameLane ? adjusted.find(({ id }) => id === adjustment.id)?.taken : undefined;
      sale.version += 1;
      if (taken === undefined || !(await lowerLedger(client, saleId, adjustment.sku, taken))) {
        await client.query('UPDATE sales SET version = $2 WHERE id = $1', [saleId, sale.version]);
      } else await decide(client, sale, adjustment, taken);
    }
  });
}

async function readUndecided(client: PoolClient, saleId: string): Promise<Undecided[]> {
  const { rows } = await client.query<Undecided>(
    'SELECT id, sku, asked, by, reason FROM adjustments WHERE sale_id = $1 AND taken IS NULL ORDER BY sku',
    [saleId],
  );
  return rows;
}

/**
 * @returns false when the ledger has sold what Redis took out (INV-1): the lane lacks an order, and is
 * distrusted.
 */
async function lowerLedger(client: PoolClient, saleId: string, sku: string, taken: number): Promise<boolean> {
  const { rowCount } = await client.query(
    'UPDATE ledger SET total = total - $3 WHERE sale_id = $1 AND sku = $2 AND total - $3 >= sold',
    [saleId, sku, taken],
  );
  return rowCount === 1;
}

async function decide(
  client: PoolClient,
  { definition, version }: StoredSale,
  { id, sku, asked, by, reason }: Undecided,
  taken: number,
): Promise<void> {
  const before = lowerTotal(definition, sku, taken);
  await client.query('UPDATE adjustments SET taken = $2 WHERE id = $1', [id, taken]);
  await client.query('UPDATE sales SET definition = $2, version = $3 WHERE id = $1', [
    definition.id,
    JSON.stringify(definition),
    version,
  ]);
  const operator: Operator = { ...(by === null ? {} : { by }), ...(reason === null ? {} : { reason }) };
  const change = {
    saleId: definition.id,
    version,
    action: 'adjust',
    before: { sku, total: before },
    after: { sku, total: before - taken, asked: -Number(asked) },
  } as const;
  await writeChange(client, change, operator);
}

/** @returns the total as it was. */
function lowerTotal({ items }: SaleDefinition, sku: string, units: number): number {
  const item = items.find((one) => one.sku === sku);
  if (item === undefined) return 0;
  const { total } = item;
  item.total -= units;
  return total;
}
