import type { SaleToLoad } from '@seckill/contracts';
import { backoffMs, InvariantError, type Clock, type Logger } from '@seckill/runtime';
import { OrderError, type OrderClient } from '../order-client.ts';
import { closeLane } from '../redis/close-lane.ts';
import type { Connection } from '../redis/connection.ts';
import type { Connections } from '../redis/connections.ts';
import { formatLane, type Lane } from '../redis/keys.ts';
import { registerLanes } from '../redis/lane-registry.ts';
import type { LaneState } from '../redis/lane-state.ts';
import { HighWaterMarks } from './high-water-marks.ts';
import { LaneError } from './lane-error.ts';
import type { LaneOpener, OpenOptions } from './lane-opener.ts';
import type { GateMetrics } from './metrics.ts';

export interface LaneMonitorDeps {
  opener: Pick<LaneOpener, 'open' | 'readState'>;
  connections: Pick<Connections, 'find' | 'of' | 'isMoving' | 'registry'>;
  orderClient: Pick<OrderClient, 'listSales'>;
  marks: HighWaterMarks;
  clock: Clock;
  random: () => number;
  logger: Logger;
  metrics: GateMetrics;
}

/** A lane that closed is noticed within this time. A look costs one inspect.lua a lane. */
const WATCH_MS = 500;
/** A new sale comes by its control state. The list finds what Redis lost without anyone telling. */
const LIST_MS = 5_000;
/**
 * A rebuild keeps Redis busy in pieces of 5 ms. More rebuilds at once would hold up the sales that are open.
 */
const OPENING_MAX = 4;
const BACKOFF = { baseMs: 200, capMs: 5_000 };

/** A lane as order listed it. */
interface ListedLane extends Lane {
  mayRetire: boolean;
  /** The newest epoch of the sale. */
  saleEpoch: number;
}

/**
 * Watches the gates of all lanes and opens those that closed: at start, under another Redis, at any other
 * time.
 */
export class LaneMonitor {
  readonly #deps: LaneMonitorDeps;
  readonly #running = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, { count: number; until: number }>();
  #lanes: ListedLane[] = [];
  /** The marks as they stood when the Redis of the lane became another one. */
  readonly #marksBefore = new HighWaterMarks();
  #listedAt = Number.NEGATIVE_INFINITY;
  #wake = new AbortController();

  constructor(deps: LaneMonitorDeps) {
    this.#deps = deps;
  }

  /**
   * Returns when the lane is open, loaded after `distrustedEpoch`. One opening per lane at a time in this
   * process.
   * @throws as LaneOpener.open
   */
  async ensureOpen(lane: Lane, options: OpenOptions = {}): Promise<void> {
    const name = formatLane(lane);
    const before = this.#running.get(name);
    if (before !== undefined) await before.catch(() => undefined);
    // Another caller in this process may have been faster.
    const other = this.#running.get(name);
    if (other !== undefined) return other;
    const running = this.#deps.opener.open(lane, options).finally(() => this.#running.delete(name));
    this.#running.set(name, running);
    return running;
  }

  /**
   * Looks at all lanes at once, because the Redis behind this connection was identified anew.
   * @param isOther another Redis, or another history, than before. Only then the marks of its lanes are kept
   * as they stand. The same Redis with the same history has all that it confirmed; if a lane lacks something
   * all the same, every round sees that by the lane's sequence.
   */
  wake(connection: Connection, isOther: boolean): void {
    const { marks, connections } = this.#deps;
    if (isOther) this.#marksBefore.take(marks, (lane) => connections.find(lane) === connection);
    this.#failures.clear();
    this.#listedAt = Number.NEGATIVE_INFINITY;
    this.#wake.abort();
  }

  /** Ends when the signal aborts and the openings under way have ended. @throws InvariantError */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    const broken: unknown[] = [];
    while (!signal.aborted && broken.length === 0) {
      this.#wake = new AbortController();
      try {
        await this.#watch(broken);
      } catch (error) {
        if (error instanceof InvariantError) throw error;
        logger.warn({ err: error }, 'lane monitor: the lanes cannot be looked at');
      }
      await clock.sleep(WATCH_MS, AbortSignal.any([signal, this.#wake.signal]));
    }
    await Promise.allSettled(this.#running.values());
    if (broken.length > 0) throw broken[0];
  }

  async #watch(broken: unknown[]): Promise<void> {
    const { clock, marks, logger, metrics } = this.#deps;
    let isListed = false;
    try {
      isListed = await this.#list();
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      // Without order no lane opens. The lanes that close must be counted all the same, because an alert
      // hangs on the count.
      logger.warn({ err: error }, 'lane monitor: order does not list the sales');
    }
    const marksNow = marks.copy();
    await this.#closeMoving();
    const states = await this.#readStates();
    let closed = 0;
    for (const [index, lane] of this.#lanes.entries()) {
      const state = states[index];
      // The lane cannot be looked at, and does not sell.
      if (state === undefined) {
        if (!lane.mayRetire) closed += 1;
        continue;
      }
      const isBehind = state.gate === 'open' && this.#isBehind(lane, state, marksNow);
      if (state.gate === 'open' && !isBehind) continue;
      // The relay has retired this lane.
      if (state.gate === 'missing' && lane.mayRetire) continue;
      closed += 1;
      const name = formatLane(lane);
      const isDue = (this.#failures.get(name)?.until ?? 0) <= clock.now();
      if (isDue && !this.#running.has(name) && this.#running.size < OPENING_MAX) {
        void this.#attempt(lane, isBehind ? state.epoch : 0, broken);
      }
    }
    metrics.closedLanes.set(closed);
    const there = this.#lanes.filter((_lane, index) => (states[index]?.gate ?? 'missing') !== 'missing');
    if (isListed) await registerLanes(this.#deps.connections, there);
  }

  /**
   * Closes the lanes whose keys are moving to another node, so that they are loaded anew whatever becomes of
   * the move. A move may end where it began, and leave keys behind under the identity of before (INV-4).
   */
  async #closeMoving(): Promise<void> {
    const { connections, logger } = this.#deps;
    for (const lane of this.#lanes) {
      if (!connections.isMoving(lane)) continue;
      try {
        await closeLane(connections, lane);
      } catch (error) {
        // The state of the lane has left already. Where it arrives it is stale, because another Redis serves
        // it.
        logger.warn({ err: error, ...lane }, 'lane monitor: a lane on its way cannot be closed here');
      }
    }
  }

  /**
   * The state of each lane, undefined where Redis is away: a node that is away says nothing about the lanes
   * of others.
   */
  async #readStates(): Promise<(LaneState | undefined)[]> {
    const { opener, logger } = this.#deps;
    const readings = await Promise.allSettled(this.#lanes.map((lane) => opener.readState(lane)));
    const failed = readings.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
    const broken = failed.find((error) => error instanceof InvariantError);
    if (broken !== undefined) throw broken;
    if (failed.length > 0) {
      logger.warn({ err: failed[0], count: failed.length }, 'lane monitor: some lanes cannot be looked at');
    }
    return readings.map((one) => (one.status === 'fulfilled' ? one.value : undefined));
  }

  /**
   * A lane that is open and must be loaded anew all the same. Another process opened the lane, and could not
   * know that it is behind what this process acknowledged, or that it was behind when it was opened and has
   * sold past that since. Or a rebuilder raised the epoch and did not load the lane.
   */
  #isBehind(lane: ListedLane, state: LaneState, marksNow: HighWaterMarks): boolean {
    const { epoch, openedSequence } = state;
    const wasBehind = this.#marksBefore.isAhead(lane, { epoch, sequence: openedSequence });
    return wasBehind || marksNow.isAhead(lane, state) || epoch < lane.saleEpoch;
  }

  /** Lists the sales when it is time to. @returns whether it was. */
  async #list(): Promise<boolean> {
    const { orderClient, clock, marks } = this.#deps;
    if (clock.now() - this.#listedAt < LIST_MS) return false;
    const sales = await orderClient.listSales();
    this.#lanes = sales.flatMap(lanesOf);
    this.#listedAt = clock.now();
    marks.keepOnly(this.#lanes);
    this.#marksBefore.keepOnly(this.#lanes);
    const names = new Set(this.#lanes.map(formatLane));
    for (const name of this.#failures.keys()) if (!names.has(name)) this.#failures.delete(name);
    return true;
  }

  /**
   * Never throws: a failure delays the next attempt. An InvariantError goes to `broken`, and ends the run.
   */
  async #attempt(lane: Lane, distrustedEpoch: number, broken: unknown[]): Promise<void> {
    const { clock, logger, random, metrics } = this.#deps;
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
      // Another process works on the lane. The next round looks again.
      if (error instanceof LaneError && error.code === 'SECKILL_LANE_KEPT') return;
      const count = (this.#failures.get(name)?.count ?? 0) + 1;
      this.#failures.set(name, { count, until: clock.now() + backoffMs(count, { ...BACKOFF, random }) });
      if (error instanceof OrderError && error.code === 'SECKILL_ORDER_GONE') return;
      metrics.failures.inc();
      logger.warn({ err: error, ...lane, attempt: count }, 'lane monitor: the lane stays closed');
    }
  }
}

function lanesOf({ saleId, epoch, mayRetire, lanes }: SaleToLoad): ListedLane[] {
  return Array.from({ length: lanes }, (_, lane) => ({ saleId, lane, mayRetire, saleEpoch: epoch }));
}
