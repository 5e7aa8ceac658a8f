import type { PoolClient } from '@seckill/runtime';
import type { Reserved } from './reservation-message.ts';

/** What a message claims cannot be stored as it is: handled like data that Postgres itself refuses. */
export class DataError extends Error {
  override readonly name = 'DataError';
  readonly code = 'SECKILL_INTAKE_DATA';
}

export interface LedgerRow {
  saleId: string;
  sku: string;
  total: number;
  sold: number;
  /** Of the sale, when it was raised last. */
  epoch: number;
}

export interface LedgerMove {
  saleId: string;
  sku: string;
  units: number;
}

export interface Admission {
  /** Units to add to `sold`, once per sale and SKU. */
  moves: LedgerMove[];
  /** Ids of the orders that do not fit as a whole. */
  refused: string[];
}

const keyOf = (saleId: string, sku: string) => `${saleId} ${sku}`;

/**
 * Whole orders by (epoch, sequence): who reserved first is served first. One that does not fit is refused, and a
 * smaller one behind it may still fit.
 * @throws DataError when an order names a SKU that its sale does not have.
 */
export function admit(orders: Reserved[], rows: LedgerRow[]): Admission {
  const left = new Map(rows.map(({ saleId, sku, total, sold }) => [keyOf(saleId, sku), total - sold]));
  const taken = new Map<string, LedgerMove>();
  const refused: string[] = [];
  for (const order of [...orders].sort(bySequence)) {
    const wanted = sumUnits([order]);
    for (const { saleId, sku } of wanted) {
      if (!left.has(keyOf(saleId, sku))) throw new DataError(`sale ${saleId} has no SKU ${sku}`);
    }
    if (wanted.some(({ saleId, sku, units }) => units > (left.get(keyOf(saleId, sku)) ?? 0))) {
      refused.push(order.reservationId);
      continue;
    }
    for (const { saleId, sku, units } of wanted) {
      const key = keyOf(saleId, sku);
      left.set(key, (left.get(key) ?? 0) - units);
      taken.set(key, { saleId, sku, units: (taken.get(key)?.units ?? 0) + units });
    }
  }
  return { moves: [...taken.values()], refused };
}

function bySequence(a: Reserved, b: Reserved): number {
  return a.epoch - b.epoch || a.sequence - b.sequence || (a.reservationId < b.reservationId ? -1 : 1);
}

/** Units per sale and SKU; an order may name a SKU in two lines. */
export function sumUnits(orders: Pick<Reserved, 'saleId' | 'lines'>[]): LedgerMove[] {
  const sums = new Map<string, LedgerMove>();
  for (const { saleId, lines } of orders) {
    for (const { sku, quantity } of lines) {
      const key = keyOf(saleId, sku);
      sums.set(key, { saleId, sku, units: (sums.get(key)?.units ?? 0) + quantity });
    }
  }
  return [...sums.values()];
}

/** In the order of (sale, sku), as every transaction takes them (recovery.md, "Intake"): no two can deadlock here. */
export async function lockLedger(client: PoolClient, keys: LedgerMove[]): Promise<LedgerRow[]> {
  const { rows } = await client.query<{
    sale_id: string;
    sku: string;
    total: string;
    sold: string;
    epoch: string;
  }>(
    `SELECT ledger.sale_id, ledger.sku, ledger.total, ledger.sold, ledger.epoch
     FROM ledger JOIN unnest($1::text[], $2::text[]) AS wanted (sale_id, sku)
       ON ledger.sale_id = wanted.sale_id AND ledger.sku = wanted.sku
     ORDER BY ledger.sale_id, ledger.sku
     FOR UPDATE OF ledger`,
    [keys.map(({ saleId }) => saleId), keys.map(({ sku }) => sku)],
  );
  return rows.map(({ sale_id, sku, total, sold, epoch }) => ({
    saleId: sale_id,
    sku,
    total: Number(total),
    sold: Number(sold),
    epoch: Number(epoch),
  }));
}

export async function moveLedger(client: PoolClient, moves: LedgerMove[]): Promise<void> {
  if (moves.length === 0) return;
  await client.query(
    `UPDATE ledger SET sold = ledger.sold + move.units
     FROM unnest($1::text[], $2::text[], $3::bigint[]) AS move (sale_id, sku, units)
     WHERE ledger.sale_id = move.sale_id AND ledger.sku = move.sku`,
    [moves.map(({ saleId }) => saleId), moves.map(({ sku }) => sku), moves.map(({ units }) => units)],
  );
}
