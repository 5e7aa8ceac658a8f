import type { PoolClient } from '@seckill/runtime';
import type { DistrustedEpoch } from '../sales/distrusted-epochs.ts';
import {
  admit,
  lockLedger,
  markIncompleteEpochs,
  moveLedger,
  readKeys,
  sumUnits,
  type LedgerKey,
  type LedgerRow,
} from './ledger.ts';
import { readAllowances } from './limits.ts';
import { refuseOrders, type RefusedOrder } from './order-rows.ts';
import type { Reserved } from './reservation-message.ts';

/**
 * The limits of these sales must be judged here. For that their whole ledger must be locked, in the order
 * of the ledger.
 */
export class UnjudgedSalesError extends Error {
  override readonly name = 'UnjudgedSalesError';
  readonly saleIds: string[];

  constructor(saleIds: string[]) {
    super(`limits of ${saleIds.length} sales were not judged by Redis`);
    this.saleIds = saleIds;
  }
}

export interface Sold {
  /** The ledger has no units for these orders, or they exceed a limit that Redis has not judged. */
  refused: RefusedOrder[];
  /**
   * The epochs that were loaded into Redis without one of these orders, because the order, which is of an
   * older epoch, was stored only now.
   */
  late: DistrustedEpoch[];
  /** What became of the retakes that were to be sold, by reservation id. */
  retakes: Map<string, RetakeSale>;
}

/**
 * `sold`: the ledger has the units. `refused`: Redis promised what the ledger does not have. `outdated`: the
 * retake was made before the newest snapshot, which has the order as expired, or Redis does not know all of
 * the buyer's orders; it may be asked for again.
 */
export type RetakeSale = 'sold' | 'refused' | 'outdated';

/**
 * Moves the ledger by what was really inserted, and by what was taken again for late money (INV-1, D4).
 * @param retakes at most one for each order, which the caller has locked and found expired.
 * @param wholeSales sales whose ledger is to be locked whole.
 * @throws UnjudgedSalesError when the ledger of another sale must be locked whole; DataError as `admit`.
 */
export async function sell(
  client: PoolClient,
  { inserted, retakes }: { inserted: Reserved[]; retakes: Reserved[] },
  wholeSales: ReadonlySet<string>,
): Promise<Sold> {
  if (inserted.length + retakes.length === 0) return { refused: [], late: [], retakes: new Map() };
  const rows = await lockLedger(client, await findKeys(client, [...inserted, ...retakes], wholeSales));
  const late = findLateEpochs(inserted, rows);
  const unjudged = findUnjudged(inserted, rows, late);
  assertWhole(unjudged, wholeSales);
  await markIncompleteEpochs(client, late);
  const current = findCurrent(retakes, rows, late);
  const allowances = await readAllowances(client, unjudged);
  const { moves, refused: all } = admit([...inserted, ...current], rows, allowances);
  const judged = judgeRetakes(retakes, current, all);
  const refused = all.filter(({ id }) => !judged.has(id));
  await refuseOrders(client, refused);
  await moveLedger(client, moves);
  return { refused, late, retakes: judged };
}

/**
 * A retake counts only under the newest epoch, and while that epoch knows every order: so a snapshot has an
 * order either as expired, or as paid, and Redis has judged the limits (INV-6).
 */
function findCurrent(retakes: Reserved[], rows: LedgerRow[], late: DistrustedEpoch[]): Reserved[] {
  const epochs = new Map(rows.map(({ saleId, epoch }) => [saleId, epoch]));
  const incomplete = rows.filter(({ isEpochIncomplete }) => isEpochIncomplete);
  const saleIds = new Set([...incomplete, ...late].map(({ saleId }) => saleId));
  return retakes.filter(({ saleId, epoch }) => epochs.get(saleId) === epoch && !saleIds.has(saleId));
}

function judgeRetakes(retakes: Reserved[], current: Reserved[], refused: RefusedOrder[]): Sold['retakes'] {
  const isCurrent = new Set(current.map(({ reservationId }) => reservationId));
  const isRefused = new Set(refused.map(({ id }) => id));
  return new Map(
    retakes.map(({ reservationId: id }) => {
      if (!isCurrent.has(id)) return [id, 'outdated'];
      return [id, isRefused.has(id) ? 'refused' : 'sold'];
    }),
  );
}

/** Names the rows that these orders move. All rows of a whole sale are among them. */
async function findKeys(
  client: PoolClient,
  inserted: Reserved[],
  wholeSales: ReadonlySet<string>,
): Promise<LedgerKey[]> {
  const keys = sumUnits(inserted).filter(({ saleId }) => !wholeSales.has(saleId));
  return wholeSales.size === 0 ? keys : [...keys, ...(await readKeys(client, [...wholeSales]))];
}

/** An order of an older epoch than that of its sale came late. The snapshot of the sale's epoch lacks it. */
function findLateEpochs(inserted: Reserved[], rows: LedgerRow[]): DistrustedEpoch[] {
  const epochs = new Map(rows.map(({ saleId, epoch }) => [saleId, epoch]));
  const late = inserted.filter(({ saleId, epoch }) => epoch < (epochs.get(saleId) ?? 0));
  const saleIds = new Set(late.map(({ saleId }) => saleId));
  return [...saleIds].map((saleId) => ({ saleId, epoch: epochs.get(saleId) ?? 0, reason: 'late_row' }));
}

/**
 * Keeps INV-6. Redis lacks an order that comes late, and so let its buyer and channel take the units anew.
 * Whichever of the two orders comes second must find the other here. Therefore all orders of an incomplete
 * epoch are judged, and not only the late ones.
 */
function findUnjudged(inserted: Reserved[], rows: LedgerRow[], late: DistrustedEpoch[]): Reserved[] {
  const incomplete = rows.filter(({ isEpochIncomplete }) => isEpochIncomplete);
  const saleIds = new Set([...incomplete, ...late].map(({ saleId }) => saleId));
  return inserted.filter(({ saleId }) => saleIds.has(saleId));
}

function assertWhole(unjudged: Reserved[], wholeSales: ReadonlySet<string>): void {
  const saleIds = unjudged.map(({ saleId }) => saleId).filter((saleId) => !wholeSales.has(saleId));
  if (saleIds.length > 0) throw new UnjudgedSalesError([...new Set(saleIds)]);
}
