import {
  FULL_RESERVATIONS_MAX,
  type Announcement,
  type Change,
  type FullState,
  type ReserveItem,
} from '@seckill/contracts';
import type { Logger } from '@seckill/runtime';
import { certainRejection, isFresh, type CertainRejection } from './certain-rejection.ts';
import type { MemoryMetrics } from './metrics.ts';
import type { TimeBounds } from './redis-time.ts';
import { RememberedReservations } from './remembered-reservations.ts';
import type { StateSource } from './state-source.ts';

export interface SaleMemoryDeps {
  /** Milliseconds, monotonic. */
  now: () => number;
  readFull: (saleId: string) => Promise<FullState>;
  logger: Logger;
  metrics: MemoryMetrics;
}

/**
 * Beyond these bounds the sale that was announced longest ago is forgotten. Stock answers for it until it is
 * announced again. 20,000 sales of one item take 23 MB (measured).
 */
const SALES_MAX = 20_000;
const ITEMS_MAX = 200_000;
/** Reservations over all sales, 29 bytes each (measured). */
const RESERVATIONS_MAX = 2 * FULL_RESERVATIONS_MAX;
/**
 * Announcements of several processes overtake each other. A gap that lasts longer than this is a message that
 * got lost.
 */
const GAP_MS = 500;
/**
 * How long to wait between two questions for the same sale, and how many questions may be under way at a
 * time. After one lost message every gateway asks.
 */
const FULL_PAUSE_MS = 1_000;
const FULL_READINGS_MAX = 2;
/** How long a sale with too many reservations is left alone: it will not have fewer soon. */
const TOO_MANY_PAUSE_MS = 60_000;

interface Remembered {
  state: Announcement;
  /**
   * The Redis that told the state, and the number of its connection then: a new connection counts one
   * more.
   */
  source: StateSource;
  session: number;
  /** How much the sale counts against ITEMS_MAX. */
  itemCount: number;
  /**
   * The first change since the state was read, by Redis' clock. Until then the state stayed true. Undefined:
   * it has not changed.
   */
  changedAt: number | undefined;
  /** The last change that was heard of, whatever the state. */
  lastChangeAt: number;
  reservations: RememberedReservations;
  channels: ReadonlySet<string>;
  /** Since when a reservation up to the state's sequence has been unknown. */
  gapSince: number | undefined;
  askedAt: number;
}

/**
 * What the gateway may answer by itself (D9; docs/recovery.md): rejections that are certain, to keys that
 * surely have not reserved. In every doubt the memory says nothing, and stock is asked. Asking stock each
 * time costs 50 µs of stock's and Redis' CPU for a "sold out" and leaves 0.87 of the answers a second
 * (`sold-out`, six pairs on two shared cores). Above all, the memory keeps that crowd away from Redis.
 */
export class SaleMemory {
  readonly #deps: SaleMemoryDeps;
  readonly #sales = new Map<string, Remembered>();
  #items = 0;
  #readings = 0;

  constructor(deps: SaleMemoryDeps) {
    this.#deps = deps;
  }

  /** `source`: the Redis that told it. */
  learn(announcement: Announcement, source: StateSource): void {
    const now = this.#deps.now();
    const { saleId, epoch, salt, reservations } = announcement;
    // Several lanes of a sale would have to be put together first; there is one (D13).
    if (announcement.lane !== 0) return;
    let sale = this.#sales.get(saleId);
    if (sale === undefined) {
      sale = forgetful(announcement, source);
    } else if (epoch > sale.state.epoch || isOpenedAgain(announcement, sale.state)) {
      const { itemCount } = sale;
      Object.assign(sale, forgetful(announcement, source), { itemCount });
    }
    if (epoch < sale.state.epoch || salt !== sale.state.salt) return;
    sale.reservations.learn(reservations);
    if (isNewer(announcement, sale.state)) {
      this.#forget(saleId, sale);
      replaceState(sale, announcement, source);
      this.#sales.set(saleId, sale);
      sale.itemCount = announcement.items.length;
      this.#items += sale.itemCount;
      this.#forgetOldest();
    }
    this.#watchGap(sale, now);
  }

  /**
   * A script has changed a lane. Other nodes of a cluster tell it too, in no order with what this one tells.
   */
  noteChange({ saleId, at }: Change, source: StateSource): void {
    const sale = this.#sales.get(saleId);
    if (sale?.source !== source) return;
    sale.lastChangeAt = Math.max(sale.lastChangeAt, at);
    // A change in the millisecond in which the state was read may be in it or not.
    if (at >= sale.state.now) sale.changedAt ??= at;
  }

  /** The certain rejection of this request, or undefined: ask stock. */
  answer(item: ReserveItem): CertainRejection | undefined {
    const now = this.#deps.now();
    const sale = this.#sales.get(item.saleId);
    const bounds = sale?.source.time.bounds(now);
    if (sale === undefined || bounds === undefined) return undefined;
    const asOf = trueUntil(sale);
    const rejection = certainRejection(sale.state, sale.channels, item, { asOf, bounds });
    if (!sale.reservations.isComplete(sale.state.sequence)) {
      // The reservations are asked for only when that would help: a sale that is selling needs no memory.
      if (rejection !== undefined || item.channelId !== undefined) this.#askForAll(item.saleId, sale, now);
      return undefined;
    }
    // INV-4: whoever repeats a key that reserved must hear its first answer. Another key of the same user is
    // answered like a stranger's. That other key would otherwise always reach stock, and a unit that came
    // back would go to somebody who held one before (D47).
    if (rejection === undefined || sale.reservations.hasKey(item.userId, item.idempotencyKey))
      return undefined;
    this.#deps.metrics.answers.inc({ outcome: rejection.outcome });
    return rejection;
  }

  /**
   * The newest state of a sale, with Redis' clock, while it may be told. The gate of that state may be
   * closed.
   */
  fresh(saleId: string): { state: Announcement; bounds: TimeBounds } | undefined {
    const sale = this.#sales.get(saleId);
    const bounds = sale?.source.time.bounds(this.#deps.now());
    if (sale === undefined || bounds === undefined || !isFresh(trueUntil(sale), bounds)) return undefined;
    return { state: sale.state, bounds };
  }

  /** Notes that this key may have reserved. We saw it ourselves, before stock has announced it. */
  noteKey({ saleId, userId, idempotencyKey }: ReserveItem): void {
    this.#sales.get(saleId)?.reservations.add(userId, idempotencyKey);
  }

  #watchGap(sale: Remembered, now: number): void {
    if (sale.reservations.isComplete(sale.state.sequence)) sale.gapSince = undefined;
    else sale.gapSince ??= now;
  }

  #askForAll(saleId: string, sale: Remembered, now: number): void {
    const hasBegun = sale.askedAt !== Number.NEGATIVE_INFINITY;
    if (hasBegun && (sale.gapSince === undefined || now - sale.gapSince < GAP_MS)) return;
    if (now - sale.askedAt < FULL_PAUSE_MS || this.#readings >= FULL_READINGS_MAX) return;
    if (hasBegun) this.#deps.metrics.gaps.inc();
    sale.askedAt = now;
    this.#readings += 1;
    void this.#readFull(saleId, sale).finally(() => {
      this.#readings -= 1;
    });
  }

  async #readFull(saleId: string, sale: Remembered): Promise<void> {
    const { readFull, logger, metrics, now } = this.#deps;
    const { reservations } = sale;
    try {
      const full = await readFull(saleId);
      const known = [...this.#sales.values()].reduce((sum, one) => sum + one.reservations.size, 0);
      // Four bytes are one reservation, and 16 characters of base64 are 12 bytes.
      const isTooMany =
        full.reservations === undefined || known + (full.reservations.length * 3) / 16 > RESERVATIONS_MAX;
      // Another epoch or salt was announced meanwhile, or this one is not announced yet. The reservations
      // will be asked for again.
      const isOther =
        full.epoch !== sale.state.epoch ||
        full.salt !== sale.state.salt ||
        sale.reservations !== reservations;
      metrics.fullReadings.inc({ result: isTooMany ? 'too_many' : isOther ? 'other_epoch' : 'filled' });
      if (isTooMany) sale.askedAt = now() + TOO_MANY_PAUSE_MS;
      if (full.reservations === undefined || isTooMany || isOther) return;
      sale.channels = new Set(full.channels);
      reservations.fill(full.sequence, full.reservations);
      this.#watchGap(sale, now());
    } catch (error) {
      metrics.fullReadings.inc({ result: 'failed' });
      logger.warn({ err: error, saleId }, 'the whole state of a sale cannot be read');
    }
  }

  #forget(saleId: string, sale: Remembered): void {
    if (this.#sales.delete(saleId)) this.#items -= sale.itemCount;
  }

  /** The map has the sales in the order of their announcements. */
  #forgetOldest(): void {
    for (const [saleId, sale] of this.#sales) {
      if (this.#sales.size <= SALES_MAX && this.#items <= ITEMS_MAX) return;
      this.#forget(saleId, sale);
    }
  }
}

function forgetful(state: Announcement, source: StateSource): Remembered {
  return {
    state,
    source,
    session: source.session,
    itemCount: 0,
    changedAt: undefined,
    // Changes of a sale that was not known were heard and not kept.
    lastChangeAt: source.heardAt,
    reservations: new RememberedReservations(state.salt, FULL_RESERVATIONS_MAX),
    channels: new Set(),
    gapSince: undefined,
    askedAt: Number.NEGATIVE_INFINITY,
  };
}

function replaceState(sale: Remembered, state: Announcement, source: StateSource): void {
  if (sale.source !== source || sale.session !== source.session) sale.lastChangeAt = source.heardAt;
  sale.state = state;
  sale.source = source;
  sale.session = source.session;
  // The announcement was overtaken by a change, and nobody kept the first one.
  sale.changedAt = sale.lastChangeAt >= state.now ? state.now : undefined;
}

/**
 * Until which instant of Redis' clock the state surely was true: when it was read, and beyond that as long as
 * stock vouches for the Redis and no change was heard.
 */
function trueUntil({ state, source, session, changedAt = Number.POSITIVE_INFINITY }: Remembered): number {
  if (session !== source.session) return state.now;
  return Math.max(state.now, Math.min(changedAt, source.vouchedTo(state.salt) ?? state.now));
}

/** The lane was opened under another Redis since, in the same epoch: what was remembered has another salt. */
function isOpenedAgain(one: Announcement, other: Announcement): boolean {
  return one.epoch === other.epoch && one.salt !== other.salt && isNewer(one, other);
}

/**
 * Compares two states of one epoch. A state that was overtaken is ignored, and so is the state of a Redis
 * that has forgotten something.
 */
function isNewer(one: Announcement, other: Announcement): boolean {
  return one.version >= other.version && one.now >= other.now && one.sequence >= other.sequence;
}
