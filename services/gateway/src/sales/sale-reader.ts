import type { Announcement, SaleRecord, StockState } from '@seckill/contracts';
import { LANGUAGES, Problem } from '@seckill/runtime';
import type { TimeBounds } from '../memory/redis-time.ts';
import type { SaleMemory } from '../memory/sale-memory.ts';
import type { OrderClient } from '../upstream/order-client.ts';
import type { StockClient } from '../upstream/stock-client.ts';
import type { Trace } from '../upstream/trace.ts';
import { KnownDefinitions, type KnownDefinition } from './known-definitions.ts';
import type { SaleReadMetrics } from './metrics.ts';
import { listChannels, SaleReading, type SaleAnswer } from './sale-reading.ts';
import { retiredState } from './sale-view.ts';

export interface SaleReaderDeps {
  order: Pick<OrderClient, 'sale'>;
  stock: Pick<StockClient, 'state'>;
  /** Absent without `REDIS_URL`. Every reading is a call then. */
  memory?: Pick<SaleMemory, 'fresh'>;
  /** Milliseconds, monotonic. */
  now: () => number;
  metrics: SaleReadMetrics;
}

/** Part of the sale's window, by the clock of Redis. */
type WindowPart = 'before' | 'within' | 'after';

interface Known extends KnownDefinition {
  /** What was made of the announcement that was told last. */
  told?: { announcement: Announcement; part: WindowPart; reading: SaleReading | undefined };
  channels?: SaleAnswer;
}

/** A call under way, whose answer readers share. */
interface Call {
  startedAt: number;
  answer: Promise<SaleReading>;
}

/**
 * Whoever asks later than this after a call began makes another one. What a reader is told was therefore read
 * at most half a second before the question.
 */
const SHARED_MS = 500;

/**
 * Reads sales for those who look at them. A page polls, so reading costs neither a call nor JSON while the
 * memory knows the sale: the definition under its version, and the counts that stock announced within the
 * last second. In every doubt order and stock are asked, once for all who ask the same at the time (D50).
 */
export class SaleReader {
  readonly #deps: SaleReaderDeps;
  readonly #definitions = new KnownDefinitions<Known>();
  /** Calls by language and sale, because order tells of a fault in the language of the caller. */
  readonly #calls = new Map<string, Call>();

  constructor(deps: SaleReaderDeps) {
    this.#deps = deps;
  }

  /** What a reader is told without a call. Undefined: `read` asks. */
  known(saleId: string, channelId: string | undefined): SaleAnswer | undefined {
    const told = this.#tell(saleId);
    return told?.reading.publicAnswer(told.now, channelId);
  }

  /** @throws Problem as `ask` */
  async read(saleId: string, channelId: string | undefined, trace: Trace): Promise<SaleAnswer> {
    const { reading, now } = await this.watch(saleId, trace);
    return reading.publicAnswer(now, channelId);
  }

  /** Whether the sale would be read without a call now. */
  isRemembered(saleId: string): boolean {
    return this.#recall(saleId) !== undefined;
  }

  /**
   * The sale with Redis' clock, and whether that took no call.
   * @throws Problem as `ask`
   */
  async watch(
    saleId: string,
    trace: Trace,
  ): Promise<{ reading: SaleReading; now: number; isRemembered: boolean }> {
    const told = this.#tell(saleId);
    if (told !== undefined) return { ...told, isRemembered: true };
    const reading = await this.#share(saleId, trace);
    return { reading, now: reading.state.now, isRemembered: false };
  }

  /** @throws Problem as `ask` */
  async readChannels(saleId: string, trace: Trace): Promise<SaleAnswer> {
    const remembered = this.#recall(saleId);
    if (remembered === undefined) return listChannels((await this.#share(saleId, trace)).record);
    this.#deps.metrics.fromMemory.inc();
    const { known } = remembered;
    known.channels ??= listChannels(known.record);
    return known.channels;
  }

  /**
   * Asks order and stock.
   * @throws Problem `sale_not_found`, only by order's list; `overloaded` when order cannot be asked;
   * `sale_unavailable` when stock cannot be asked, or has lost a sale that it had.
   */
  async ask(saleId: string, trace: Trace): Promise<SaleReading> {
    return this.askState(await this.#deps.order.sale(saleId, trace), trace);
  }

  /**
   * What order has just told, with the counts of the memory or else of stock. @throws Problem as
   * `askState`
   */
  async readingOf(record: SaleRecord, trace: Trace): Promise<SaleReading> {
    const fresh = this.#deps.memory?.fresh(record.definition.id);
    const isKnown = fresh?.state.gate === 'open' && fresh.state.version === record.version;
    if (!isKnown || record.retired !== undefined) return this.askState(record, trace);
    const { state: announcement, bounds } = fresh;
    const isEdge = windowPart(announcement, bounds) === undefined;
    const state = isEdge ? undefined : toStockState(announcement, record, bounds.earliest);
    return state === undefined ? this.askState(record, trace) : new SaleReading(record, state);
  }

  /** Asks stock alone: order has just told the rest. @throws Problem `sale_unavailable` as `ask` */
  async askState(record: SaleRecord, trace: Trace): Promise<SaleReading> {
    const state = retiredState(record) ?? (await this.#deps.stock.state(record.definition.id, trace));
    // The sale was loaded once and its state is gone. What was sold is not known here now, and "all
    // available" would be untrue.
    if (state.gate === 'missing' && record.acknowledged) throw new Problem('sale_unavailable');
    return new SaleReading(record, state);
  }

  /**
   * Forgets a sale that was changed through this gateway. Whoever reads it here from now on is told of the
   * change, also before stock's announcement has come.
   */
  forget(saleId: string): void {
    this.#definitions.delete(saleId);
    for (const language of LANGUAGES) this.#calls.delete(`${language} ${saleId}`);
  }

  #tell(saleId: string): { reading: SaleReading; now: number } | undefined {
    const remembered = this.#recall(saleId);
    if (remembered === undefined) return undefined;
    const reading = this.#toldReading(remembered);
    if (reading === undefined) return undefined;
    this.#deps.metrics.fromMemory.inc();
    return { reading, now: remembered.bounds.earliest };
  }

  /** What may be told without a call. */
  #recall(saleId: string): Remembered | undefined {
    const fresh = this.#deps.memory?.fresh(saleId);
    if (fresh === undefined || fresh.state.gate !== 'open') return undefined;
    const known = this.#definitions.get(saleId);
    const { state: announcement, bounds } = fresh;
    if (known?.epoch !== announcement.epoch || known.record.version !== announcement.version)
      return undefined;
    // A call may be ahead of what was announced: a page would see units come back that are gone.
    if (announcement.sequence < known.sequence) return undefined;
    const part = windowPart(announcement, bounds);
    return part === undefined ? undefined : { known, announcement, bounds, part };
  }

  /** Undefined when the announcement contradicts the definition. */
  #toldReading({ known, announcement, bounds, part }: Remembered): SaleReading | undefined {
    if (known.told?.announcement !== announcement || known.told.part !== part) {
      const state = toStockState(announcement, known.record, bounds.earliest);
      known.told = { announcement, part, reading: state && new SaleReading(known.record, state) };
    }
    return known.told.reading;
  }

  #share(saleId: string, trace: Trace): Promise<SaleReading> {
    const { metrics, now } = this.#deps;
    const key = `${trace.language} ${saleId}`;
    const running = this.#calls.get(key);
    if (running !== undefined && now() - running.startedAt < SHARED_MS) {
      metrics.shared.inc();
      return running.answer;
    }
    metrics.calls.inc();
    const call: Call = { startedAt: now(), answer: this.ask(saleId, trace) };
    this.#calls.set(key, call);
    void call.answer
      .then((reading) => {
        // Otherwise the sale was changed here meanwhile, or a later call knows better.
        if (this.#calls.get(key) === call) this.#learn(reading);
      })
      .catch(() => undefined)
      .finally(() => {
        if (this.#calls.get(key) === call) this.#calls.delete(key);
      });
    return call.answer;
  }

  /** Stock must have confirmed the totals: a definition may be newer than what stock has applied. */
  #learn({ record, state }: SaleReading): void {
    const { definition, version, retired } = record;
    if (retired !== undefined || state.gate !== 'open' || state.version !== version) return;
    const totals = new Map(state.items.map(({ sku, total }) => [sku, total]));
    const isConfirmed = definition.items.every(({ sku, total }) => totals.get(sku) === total);
    if (isConfirmed) {
      this.#definitions.set(definition.id, { record, epoch: state.epoch, sequence: state.sequence });
    }
  }
}

interface Remembered {
  known: Known;
  announcement: Announcement;
  bounds: TimeBounds;
  part: WindowPart;
}

/** Undefined while the bounds of the clock enclose an edge of the window. */
function windowPart(
  { opensAt, closesAt }: Pick<Announcement, 'opensAt' | 'closesAt'>,
  { earliest, latest }: TimeBounds,
): WindowPart | undefined {
  if (latest < opensAt) return 'before';
  if (earliest >= closesAt) return 'after';
  return earliest >= opensAt && latest < closesAt ? 'within' : undefined;
}

/**
 * Units that are neither available nor held are paid (INV-3). Undefined when there are more than the total.
 */
function toStockState(
  announcement: Announcement,
  { definition }: SaleRecord,
  now: number,
): StockState | undefined {
  const { saleId, gate, epoch, version, sequence, state, opensAt, closesAt } = announcement;
  const counts = new Map(announcement.items.map((item) => [item.sku, item]));
  const items: StockState['items'] = [];
  for (const { sku, total } of definition.items) {
    const count = counts.get(sku);
    if (count === undefined || count.available + count.held > total) return undefined;
    const { available, held } = count;
    items.push({ sku, total, available, held, paid: total - available - held });
  }
  return { saleId, gate, epoch, version, sequence, now, state, opensAt, closesAt, outbox: 0, items };
}
