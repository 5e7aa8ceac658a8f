import type { SaleToLoad } from '@seckill/contracts';
import { backoffMs, InvariantError, type Clock, type Logger } from '@seckill/runtime';
import { HighWaterMarks as Acknowledged } from './high-water-marks.ts';
import { closeLane } from '../redis/close-lane.ts';
import type { Connection } from '../redis/connection.ts';
import type { Connections } from '../redis/connections.ts';
import { formatLane, type Lane } from '../redis/keys.ts';
import { registerLanes } from '../redis/lane-registry.ts';
import type { LaneState } from '../redis/lane-state.ts';
import { LaneError } from './lane-error.ts';
import type { LaneOpener, OpenOptions } from './lane-opener.ts';
import type { GateMetrics } from './metrics.ts';
import { OrderError, type OrderClient } from '../order-client.ts';

export interface GatekeeperOptions {
  opener: Pick<LaneOpener, 'open' | 'readState'>;
  connections: Pick<Connections, 'find' | 'of' | 'isMoving' | 'registry'>;
  orderClient: Pick<OrderClient, 'listSales'>;
  acknowledged: Acknowledged;
  clock: Clock;
  random: () => number;
  logger: Logger;
  metrics: GateMetrics;
}

/** A lane that closed is noticed within this time; it costs one count.lua a lane. */
const WATCH_MS = 500;
/** A new sale comes by its control state; the list is for what Redis lost without anyone telling. */
const LIST_MS = 5_000;
/** A rebuild keeps Redis busy in pieces of 5 ms; more at once would hold up the sales that are open. */
const OPENING_MAX = 4;
const BACKOFF = { baseMs: 200, capMs: 5_000 };

/** As order listed it. */
interface ListedLane extends Lane {
  mayRetire: boolean;
  /** The newest epoch of the sale. */
  saleEpoch: number;
}

/** Watches over the gates of all lanes, and opens those that closed: at start, under another Redis, at any time. */
export class Gatekeeper {
  readonly #options: GatekeeperOptions;
  readonly #running = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, { count: number; until: number }>();
  #lanes: ListedLane[] = [];
  /** As it stood when Redis became another one. */
  readonly #toldBefore = new Acknowledged();
  #listedAt = Number.NEGATIVE_INFINITY;
  #wake = new AbortController();

  constructor(options: GatekeeperOptions) {
    this.#options = options;
  }

  /**
   * Returns when the lane is open, loaded after `distrustedEpoch`. One opening per lane at a time in this process.
   * @throws as Gate.open
   */
  async ensureOpen(lane: Lane, options: OpenOptions = {}): Promise<void> {
    const name = formatLane(lane);
    const before = this.#running.get(name);
    if (before !== undefined) await before.catch(() => undefined);
    // Another caller of ours may have been faster.
    const other = this.#running.get(name);
    if (other !== undefined) return other;
    const running = this.#options.opener.open(lane, options).finally(() => this.#running.delete(name));
    this.#running.set(name, running);
    return running;
  }

  /**
   * Looks at once: it is known anew who is behind this connection. The lanes of others are as they were. So are those of
   * the same Redis with the same history: it has all that it confirmed, and whatever it lacks all the same is seen by its
   * sequences in every round.
   */
  poke(connection: Connection, isOther: boolean): void {
    const { acknowledged, connections } = this.#options;
    if (isOther) this.#toldBefore.take(acknowledged, (lane) => connections.find(lane) === connection);
    this.#failures.clear();
    this.#listedAt = Number.NEGATIVE_INFINITY;
    this.#wake.abort();
  }

  /** Ends when the signal aborts and the openings under way have ended. @throws InvariantError */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    const broken: unknown[] = [];
    while (!signal.aborted && broken.length === 0) {
      this.#wake = new AbortController();
      try {
        await this.#watch(broken);
      } catch (error) {
        if (error instanceof InvariantError) throw error;
        logger.warn({ err: error }, 'gatekeeper cannot look at the lanes');
      }
      await clock.sleep(WATCH_MS, AbortSignal.any([signal, this.#wake.signal]));
    }
    await Promise.allSettled(this.#running.values());
    if (broken.length > 0) throw broken[0];
  }

  async #watch(broken: unknown[]): Promise<void> {
    const { clock, acknowledged, logger, metrics } = this.#options;
    let isListed = false;
    try {
      isListed = await this.#list();
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      // Without order nothing opens, but what closes must still be counted: the alarm hangs on it.
      logger.warn({ err: error }, 'gatekeeper cannot list the sales');
    }
    const told = acknowledged.copy();
    await this.#closeMoving();
    const counts = await this.#count();
    let closed = 0;
    for (const [index, lane] of this.#lanes.entries()) {
      const count = counts[index];
      // It cannot be looked at, and does not sell.
      if (count === undefined) {
        if (!lane.mayRetire) closed += 1;
        continue;
      }
      const isDoubted = count.gate === 'open' && this.#isDoubted(lane, count, told);
      if (count.gate === 'open' && !isDoubted) continue;
      // The relay has retired it, or will; what is gone stays gone.
      if (count.gate === 'missing' && lane.mayRetire) continue;
      closed += 1;
      const name = formatLane(lane);
      const isDue = (this.#failures.get(name)?.until ?? 0) <= clock.now();
      if (isDue && !this.#running.has(name) && this.#running.size < OPENING_MAX) {
        void this.#attempt(lane, isDoubted ? count.epoch : 0, broken);
      }
    }
    metrics.closedLanes.set(closed);
    const there = this.#lanes.filter((_lane, index) => (counts[index]?.gate ?? 'missing') !== 'missing');
    if (isListed) await registerLanes(this.#options.connections, there);
  }

  /**
   * Whatever becomes of a move, what it has touched is loaded anew: it may end where it began, with keys left behind
   * under the identity of before (INV-4).
   */
  async #closeMoving(): Promise<void> {
    const { connections, logger } = this.#options;
    for (const lane of this.#lanes) {
      if (!connections.isMoving(lane)) continue;
      try {
        await closeLane(connections, lane);
      } catch (error) {
        // Its state has left already, and is another Redis' where it arrives.
        logger.warn({ err: error, ...lane }, 'gatekeeper: a lane on its way cannot be closed here');
      }
    }
  }

  /** Of each lane; undefined where its Redis is away. One node that is away says nothing about the lanes of others. */
  async #count(): Promise<(LaneState | undefined)[]> {
    const { opener, logger } = this.#options;
    const counts = await Promise.allSettled(this.#lanes.map((lane) => opener.readState(lane)));
    const failed = counts.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
    const broken = failed.find((error) => error instanceof InvariantError);
    if (broken !== undefined) throw broken;
    if (failed.length > 0) {
      logger.warn({ err: failed[0], count: failed.length }, 'gatekeeper cannot look at lanes');
    }
    return counts.map((one) => (one.status === 'fulfilled' ? one.value : undefined));
  }

  /**
   * Open, and yet to be loaded anew. Another process opened it, and could not know: Redis is behind what we told buyers, or
   * was when it was opened, and has sold past that since. Or a rebuilder raised the epoch in vain.
   */
  #isDoubted(lane: ListedLane, count: LaneState, told: Acknowledged): boolean {
    const { epoch, openedSequence } = count;
    const wasBehind = this.#toldBefore.isAhead(lane, { epoch, sequence: openedSequence });
    return wasBehind || told.isAhead(lane, count) || epoch < lane.saleEpoch;
  }

  /** @returns whether it was time to. */
  async #list(): Promise<boolean> {
    const { orderClient, clock, acknowledged } = this.#options;
    if (clock.now() - this.#listedAt < LIST_MS) return false;
    const sales = await orderClient.listSales();
    this.#lanes = sales.flatMap(lanesOf);
    this.#listedAt = clock.now();
    acknowledged.keepOnly(this.#lanes);
    this.#toldBefore.keepOnly(this.#lanes);
    const names = new Set(this.#lanes.map(formatLane));
    for (const name of this.#failures.keys()) if (!names.has(name)) this.#failures.delete(name);
    return true;
  }

  /** Never throws: a failure is the next attempt's delay. */
  async #attempt(lane: Lane, distrustedEpoch: number, broken: unknown[]): Promise<void> {
    const { clock, logger, random, metrics } = this.#options;
    const name = formatLane(lane);
    try {
      await this.ensureOpen(lane, { distrustedEpoch });
      this.#failures.delete(name);
    } catch (error) {
      if (error instanceof InvariantError) {
        broken.push(error);
        this.#wake.abort();
        return;
      }
      // Another process is at it; we look again at the next round.
      if (error instanceof LaneError && error.code === 'SECKILL_LANE_KEPT') return;
      const count = (this.#failures.get(name)?.count ?? 0) + 1;
      this.#failures.set(name, { count, until: clock.now() + backoffMs(count, { ...BACKOFF, random }) });
      if (error instanceof OrderError && error.code === 'SECKILL_ORDER_GONE') return;
      metrics.failures.inc();
      logger.warn({ err: error, ...lane, attempt: count }, 'gatekeeper: the lane stays closed');
    }
  }
}

function lanesOf({ saleId, epoch, mayRetire, lanes }: SaleToLoad): ListedLane[] {
  return Array.from({ length: lanes }, (_, lane) => ({ saleId, lane, mayRetire, saleEpoch: epoch }));
}
