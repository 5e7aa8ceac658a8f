import { invariant, type PoolClient } from '@seckill/runtime';
import type { Allowance } from './limits.ts';
import type { RefusedOrder } from './order-rows.ts';
import type { Reserved } from './reservation-message.ts';

/**
 * What a message claims cannot be stored as it is. The intake treats it like data that Postgres itself
 * refuses.
 */
export class DataError extends Error {
  override readonly name = 'DataError';
  readonly code = 'SECKILL_INTAKE_DATA';
}

export interface LedgerRow {
  saleId: string;
  sku: string;
  total: number;
  sold: number;
  /** The epoch of the sale when it was raised last. */
  epoch: number;
  /** The snapshot of this epoch lacks an order that came late, so Redis did not count that order (INV-6). */
  isEpochIncomplete: boolean;
}

export interface LedgerKey {
  saleId: string;
  sku: string;
}

export interface LedgerMove extends LedgerKey {
  units: number;
}

export interface Admission {
  /** Units to add to `sold`, once per sale and SKU. */
  moves: LedgerMove[];
  /** The orders that do not fit as a whole. */
  refused: RefusedOrder[];
}

const keyOf = (saleId: string, sku: string) => `${saleId} ${sku}`;

/**
 * Admits whole orders in the order of (epoch, sequence), so whoever reserved first is served first. An
 * order that does not fit is refused. A smaller one behind it may still fit.
 * @param allowances by reservation id, of orders whose limits Redis could not judge (INV-6). The orders
 * use them up.
 * @throws DataError when an order names a SKU that its sale does not have.
 */
export function admit(
  orders: Reserved[],
  rows: LedgerRow[],
  allowances = new Map<string, Allowance[]>(),
): Admission {
  const left = new Map(rows.map(({ saleId, sku, total, sold }) => [keyOf(saleId, sku), total - sold]));
  const taken = new Map<string, LedgerMove>();
  const refused: Admission['refused'] = [];
  for (const order of [...orders].sort(bySequence)) {
    const wanted = sumUnits([order]);
    for (const { saleId, sku } of wanted) {
      if (!left.has(keyOf(saleId, sku))) throw new DataError(`sale ${saleId} has no SKU ${sku}`);
    }
    const limits = allowances.get(order.reservationId) ?? [];
    if (limits.some((allowance) => unitsOf(wanted, allowance) > allowance.left)) {
      refused.push({ id: order.reservationId, refusal: 'limit' });
      continue;
    }
    if (wanted.some(({ saleId, sku, units }) => units > (left.get(keyOf(saleId, sku)) ?? 0))) {
      refused.push({ id: order.reservationId, refusal: 'ledger' });
      continue;
    }
    for (const allowance of limits) allowance.left -= unitsOf(wanted, allowance);
    for (const { saleId, sku, units } of wanted) {
      const key = keyOf(saleId, sku);
      left.set(key, (left.get(key) ?? 0) - units);
      taken.set(key, { saleId, sku, units: (taken.get(key)?.units ?? 0) + units });
    }
  }
  return { moves: [...taken.values()], refused };
}

/** What an order takes of an allowance. */
function unitsOf(wanted: LedgerMove[], allowance: Allowance): number {
  return wanted
    .filter(({ sku }) => allowance.sku === undefined || allowance.sku === sku)
    .reduce((sum, { units }) => sum + units, 0);
}

function bySequence(a: Reserved, b: Reserved): number {
  return a.epoch - b.epoch || a.sequence - b.sequence || (a.reservationId < b.reservationId ? -1 : 1);
}

/** Adds up units per sale and SKU. An order may name a SKU in two lines. */
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

/**
 * Locks rows in the order of (sale, sku), as every transaction does (docs/recovery.md, "Intake"). No two
 * transactions can deadlock here.
 */
export async function lockLedger(client: PoolClient, keys: LedgerKey[]): Promise<LedgerRow[]> {
  const { rows } = await client.query<{
    sale_id: string;
    sku: string;
    total: string;
    sold: string;
    epoch: string;
    is_epoch_incomplete: boolean;
  }>(
    `SELECT ledger.sale_id, ledger.sku, ledger.total, ledger.sold, ledger.epoch,
       ledger.late_epoch IS NOT DISTINCT FROM ledger.epoch AS is_epoch_incomplete
     FROM ledger JOIN unnest($1::text[], $2::text[]) AS wanted (sale_id, sku)
       ON ledger.sale_id = wanted.sale_id AND ledger.sku = wanted.sku
     ORDER BY ledger.sale_id, ledger.sku
     FOR UPDATE OF ledger`,
    [keys.map(({ saleId }) => saleId), keys.map(({ sku }) => sku)],
  );
  return rows.map(({ sale_id, sku, total, sold, epoch, is_epoch_incomplete }) => ({
    saleId: sale_id,
    sku,
    total: Number(total),
    sold: Number(sold),
    epoch: Number(epoch),
    isEpochIncomplete: is_epoch_incomplete,
  }));
}

/** Reads every SKU that these sales have. The SKUs of a sale never change. */
export async function readKeys(client: PoolClient, saleIds: string[]): Promise<LedgerKey[]> {
  const { rows } = await client.query<{ sale_id: string; sku: string }>(
    'SELECT sale_id, sku FROM ledger WHERE sale_id = ANY ($1::text[])',
    [saleIds],
  );
  return rows.map(({ sale_id, sku }) => ({ saleId: sale_id, sku }));
}

/**
 * Marks the epochs of these sales as incomplete. The caller holds all rows of the sales. A transaction
 * that moved a row before has committed, and its orders can be read. A transaction that locks a row later
 * finds the mark, and judges the limits with our orders before its eyes. The column `late_epoch` holds the
 * incomplete epoch.
 */
export async function markIncompleteEpochs(client: PoolClient, sales: { saleId: string }[]): Promise<void> {
  if (sales.length === 0) return;
  await client.query('UPDATE ledger SET late_epoch = epoch WHERE sale_id = ANY ($1::text[])', [
    sales.map(({ saleId }) => saleId),
  ]);
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

/**
 * Puts the units of these orders on sale again, once per sale and SKU. The caller has locked the orders.
 * Ledger rows are locked after orders, in their own order, as everywhere.
 */
export async function giveBack(
  client: PoolClient,
  orders: Pick<Reserved, 'saleId' | 'lines'>[],
): Promise<void> {
  if (orders.length === 0) return;
  const units = sumUnits(orders);
  const rows = await lockLedger(client, units);
  for (const move of units) {
    const row = rows.find(({ saleId, sku }) => saleId === move.saleId && sku === move.sku);
    invariant(
      row !== undefined && row.sold >= move.units,
      `the ledger of ${move.saleId} has sold fewer ${move.sku} than come back`,
    );
  }
  await moveLedger(
    client,
    units.map((move) => ({ ...move, units: -move.units })),
  );
}
