import {
  detailOf,
  LIMITS,
  type ControlVerb,
  type SaleChangePage,
  type SaleInput,
  type SalePatch,
  type SaleRecord,
  type SaleToLoad,
} from '@seckill/contracts';
import { invariant, Problem, type Clock } from '@seckill/runtime';
import { refuse } from '../invalid-request.ts';
import type { Adjustment, AdjustmentOutcome } from './adjustment-store.ts';
import type { Edit, EditOutcome } from './edit-store.ts';
import type { Restock, RestockOutcome } from './restock-store.ts';
import { checkSale, defineSale, fingerprintOf, LANES, makeSaleId } from './sale-definition.ts';
import { patchDefinition, pauseItem } from './sale-patch.ts';
import type { SaleStore, StoredSale } from './sale-store.ts';
import type { Operator, Steering } from './steering.ts';

/** An operator hears within 5 s whether stock has acknowledged the change (docs/http-api.md). */
const ACKNOWLEDGE_WAIT_MS = 5_000;
/**
 * How often the wait looks when nothing was heard: another replica's control sync may reach stock. Our own
 * tells when a call has ended.
 */
const ACKNOWLEDGE_POLL_MS = 250;

export interface SalesDeps {
  store: SaleStore;
  storeRestock: (restock: Restock) => Promise<RestockOutcome>;
  storeAdjustment: (adjustment: Adjustment) => Promise<AdjustmentOutcome>;
  /** Undefined: not decided yet. */
  readTaken: (adjustment: Pick<Adjustment, 'saleId' | 'idempotencyKey'>) => Promise<number | undefined>;
  storeEdit: (edit: Edit) => Promise<EditOutcome>;
  listChanges: (saleId: string, page: { limit?: number; cursor?: string }) => Promise<SaleChangePage>;
  /** Starts a round of the control sync at once. */
  wake: (saleId: string) => void;
  /**
   * Waits until the control sync of this process has made a call for the sale, at most so many milliseconds.
   */
  untilSent: (saleId: string, ms: number) => Promise<void>;
  clock: Clock;
}

/** What order answers to an adjustment: the units that were taken out, as a number that is not above 0. */
export interface Adjusted {
  adjusted: number;
  record: SaleRecord;
}

/** What an operator does with sales, and what stock asks about them. */
export class Sales {
  readonly #store: SaleStore;
  readonly #storeRestock: SalesDeps['storeRestock'];
  readonly #storeAdjustment: SalesDeps['storeAdjustment'];
  readonly #readTaken: SalesDeps['readTaken'];
  readonly #storeEdit: SalesDeps['storeEdit'];
  readonly #listChanges: SalesDeps['listChanges'];
  readonly #wakeStock: (saleId: string) => void;
  readonly #untilSent: SalesDeps['untilSent'];
  readonly #clock: Clock;

  constructor(deps: SalesDeps) {
    const { store, storeRestock, storeAdjustment, readTaken, storeEdit } = deps;
    const { listChanges, wake, untilSent, clock } = deps;
    this.#store = store;
    this.#storeRestock = storeRestock;
    this.#storeAdjustment = storeAdjustment;
    this.#readTaken = readTaken;
    this.#storeEdit = storeEdit;
    this.#listChanges = listChanges;
    this.#wakeStock = wake;
    this.#untilSent = untilSent;
    this.#clock = clock;
  }

  /** Postgres' clock, by which a deadline is judged; milliseconds since the epoch. */
  async readNow(): Promise<number> {
    return this.#store.readNow();
  }

  /** @throws Problem `sale_not_found` */
  async read(saleId: string): Promise<SaleRecord> {
    return this.#toRecord(await this.#find(saleId));
  }

  /**
   * Stores the sale, then waits for stock.
   * @throws Problem `invalid_request`, `sale_exists`, or `outcome_unknown` when stock has not acknowledged in
   * time.
   */
  async create(input: SaleInput, operator: Operator = {}): Promise<{ isNew: boolean; record: SaleRecord }> {
    checkSale(input);
    const id = input.id ?? makeSaleId();
    const fingerprint = fingerprintOf(input);
    // The sale is looked up first, because a repeat stays a repeat after the sale has closed.
    const known = await this.#store.read(id);
    const isNew = known === undefined && (await this.#insert(id, fingerprint, input, operator));
    if (!isNew) {
      const other = known ?? (await this.#find(id));
      if (other.fingerprint !== fingerprint) throw new Problem('sale_exists', { extra: { saleId: id } });
    }
    return { isNew, record: await this.#acknowledged(id) };
  }

  /**
   * Pause, resume or close; a repeat changes nothing.
   * @throws Problem `sale_not_found`, `version_conflict`, `sale_closed`, `overloaded` when the deadline has
   * passed, or `outcome_unknown` when stock has not acknowledged in time.
   */
  async change(saleId: string, state: ControlVerb, steering: Steering = {}): Promise<SaleRecord> {
    const found = await this.#store.change(saleId, state, steering);
    if (found === undefined) throw new Problem('sale_not_found');
    if (!found.isChanged) {
      const isSo = found.state === state;
      // The change itself made the next version: this is its repeat.
      const isRepeat = isSo && found.version === (steering.version ?? 0) + 1;
      if (steering.version !== undefined && found.version !== steering.version && !isRepeat) {
        throw versionConflict(found.version);
      }
      if ((found.state === 'closed' || found.isOver) && state !== 'closed') throw new Problem('sale_closed');
      // Nothing else stands against it, so it was the deadline.
      if (!isSo) throw new Problem('overloaded');
    }
    return this.#acknowledged(saleId);
  }

  /**
   * Adds units to an item's total; a repeat of the key changes nothing.
   * @throws Problem `sale_not_found`, `key_reused`, `version_conflict`, `sale_closed`, `sku_not_found`,
   * `invalid_request` when the total would be too high, `overloaded` when the deadline has passed, or
   * `outcome_unknown` when stock has not acknowledged in time.
   */
  async restock(restock: Restock): Promise<SaleRecord> {
    const outcome = await this.#storeRestock(restock);
    if (outcome === 'version_conflict') throw versionConflict((await this.#find(restock.saleId)).version);
    if (outcome === 'late') throw new Problem('overloaded');
    if (outcome === 'total_too_high') refuse('total_exceeded', 'quantity', { max: LIMITS.totalMax });
    if (outcome === 'is_kit') refuse('kit_without_units', 'sku');
    if (outcome === 'sku_not_found') throw new Problem(outcome, { extra: { sku: restock.sku } });
    if (outcome !== 'restocked' && outcome !== 'repeated') throw new Problem(outcome);
    return this.#acknowledged(restock.saleId);
  }

  /**
   * Takes units out of an item that nobody holds or has paid, as many as there are; a repeat of the key tells
   * how many that were.
   * @throws Problem as `restock`; `invalid_request` when units are to be added; `overloaded` while another
   * adjustment of the item is not decided.
   */
  async adjust(adjustment: Adjustment): Promise<Adjusted> {
    if (adjustment.quantity <= 0) refuse('adjust_upwards', 'quantity');
    const outcome = await this.#storeAdjustment(adjustment);
    const { saleId, sku } = adjustment;
    if (outcome === 'version_conflict') throw versionConflict((await this.#find(saleId)).version);
    if (outcome === 'late') throw new Problem('overloaded');
    if (outcome === 'undecided')
      throw new Problem('overloaded', { detail: detailOf('adjustment_undecided') });
    if (outcome === 'is_kit') refuse('kit_without_units', 'sku');
    if (outcome === 'sku_not_found') throw new Problem(outcome, { extra: { sku } });
    if (outcome !== 'stored' && outcome !== 'repeated') throw new Problem(outcome);
    const deadline = this.#clock.now() + ACKNOWLEDGE_WAIT_MS;
    const taken = await this.#until(saleId, deadline, () => this.#readTaken(adjustment));
    const adjusted = taken === 0 ? 0 : -taken;
    return { adjusted, record: await this.#acknowledged(saleId, deadline) };
  }

  /**
   * Changes what a patch names; a repeat changes nothing.
   * @throws Problem `sale_not_found`, `version_conflict`, `sale_closed`, `invalid_request`, `not_changeable`
   * with the field, `overloaded` when the deadline has passed, or `outcome_unknown` when stock has not
   * acknowledged in time.
   */
  async patch(saleId: string, patch: SalePatch, steering: Steering = {}): Promise<SaleRecord> {
    return this.#edit({
      saleId,
      action: 'change',
      ...steering,
      edit: ({ definition }, now) => patchDefinition(definition, patch, now),
    });
  }

  /**
   * Pauses or resumes one item; a repeat changes nothing.
   * @throws Problem `sku_not_found`, or as `patch`.
   */
  async changeItem(
    { saleId, sku, isPaused }: { saleId: string; sku: string; isPaused: boolean },
    steering: Steering = {},
  ): Promise<SaleRecord> {
    return this.#edit({
      saleId,
      action: isPaused ? 'pause_item' : 'resume_item',
      ...steering,
      edit: ({ definition }) => pauseItem(definition, sku, isPaused),
    });
  }

  /**
   * What operators changed, newest first.
   * @throws Problem `sale_not_found`; `invalid_request` when the cursor is not one of ours.
   */
  async listChanges(saleId: string, page: { limit?: number; cursor?: string }): Promise<SaleChangePage> {
    const changes = await this.#listChanges(saleId, page);
    // A sale that is older than the audit trail has no row.
    if (changes.data.length === 0) await this.#find(saleId);
    return changes;
  }

  async #edit(edit: Edit): Promise<SaleRecord> {
    const outcome = await this.#storeEdit(edit);
    if (outcome === 'version_conflict') throw versionConflict((await this.#find(edit.saleId)).version);
    if (outcome === 'late') throw new Problem('overloaded');
    if (outcome !== 'edited' && outcome !== 'unchanged') throw new Problem(outcome);
    return this.#acknowledged(edit.saleId);
  }

  /** Every sale that stock must hold. */
  async listToLoad(): Promise<SaleToLoad[]> {
    return this.#store.listToLoad();
  }

  async #insert(id: string, fingerprint: string, input: SaleInput, operator: Operator): Promise<boolean> {
    const now = await this.#store.readNow();
    const definition = defineSale(id, input, now);
    if (Date.parse(definition.closesAt) <= now) refuse('instant_passed', 'closesAt');
    return this.#store.insert({ definition, fingerprint, lanes: LANES }, operator);
  }

  async #find(saleId: string): Promise<StoredSale> {
    const sale = await this.#store.read(saleId);
    if (sale === undefined) throw new Problem('sale_not_found');
    return sale;
  }

  /**
   * Asks Postgres and not our own control sync, because another replica's may be the one that reaches stock.
   */
  async #acknowledged(
    saleId: string,
    deadline = this.#clock.now() + ACKNOWLEDGE_WAIT_MS,
  ): Promise<SaleRecord> {
    let version: number | undefined;
    return this.#until(saleId, deadline, async () => {
      const sale = await this.#store.read(saleId);
      invariant(sale !== undefined, `sale ${saleId} vanished`);
      version ??= sale.version;
      // Stock need not hear of a retired sale, and no control sync sends one.
      const isDone = sale.acknowledgedVersion >= version || sale.isRetired;
      return isDone ? this.#toRecord(sale) : undefined;
    });
  }

  /**
   * Looks again whenever stock was told of the sale.
   * @throws Problem `outcome_unknown` after the deadline.
   */
  async #until<Found>(
    saleId: string,
    deadline: number,
    look: () => Promise<Found | undefined>,
  ): Promise<Found> {
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (this.#clock.now() >= deadline) {
        throw new Problem('outcome_unknown', { detail: detailOf('change_unconfirmed') });
      }
      this.#wakeStock(saleId);
      await this.#untilSent(saleId, ACKNOWLEDGE_POLL_MS);
    }
  }

  async #toRecord(sale: StoredSale): Promise<SaleRecord> {
    const { definition, version, state, isRetired } = sale;
    return {
      definition,
      version,
      state,
      acknowledged: sale.acknowledgedVersion >= version,
      ...(isRetired ? { retired: { items: await this.#store.readPaid(definition.id) } } : {}),
    };
  }
}

function versionConflict(version: number): Problem {
  return new Problem('version_conflict', { extra: { version } });
}
