import { backoffMs, InvariantError, type Clock, type Logger } from '@seckill/runtime';
import { OrderError } from '../../order-client.ts';
import { formatLane, type Lane } from '../../redis/keys.ts';
import { LaneError } from '../lane-error.ts';
import type { LaneOpener, OpenOptions } from '../lane-opener.ts';
import type { GateMetrics } from '../metrics.ts';
import type { ClosedLane } from './listed-lane.ts';

/**
 * A rebuild keeps Redis busy in pieces of 5 ms. More rebuilds at once would hold up the sales that are open.
 */
const OPENING_MAX = 4;
/** Lanes that are known to be broken at a time. One more is met again by whoever asks for it. */
const FORCED_MAX = 10_000;
const BACKOFF = { baseMs: 200, capMs: 5_000 };

export interface LaneOpeningsDeps {
  opener: Pick<LaneOpener, 'open'>;
  clock: Clock;
  random: () => number;
  logger: Logger;
  metrics: Pick<GateMetrics, 'failures'>;
}

/** The openings of lanes: those under way, those that failed, and those that are forced. */
export class LaneOpenings {
  readonly #deps: LaneOpeningsDeps;
  readonly #running = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, { count: number; until: number }>();
  /**
   * Names of lanes that have what no script of ours wrote, and are loaded anew whatever their gates say.
   * These lanes are kept by name, because a lane may sell for some seconds before order has listed it.
   */
  readonly #forced = new Set<string>();

  constructor(deps: LaneOpeningsDeps) {
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
   * Has the next opening of the lane load it anew.
   * @returns false: it was to be loaded anew anyway.
   */
  force(lane: Lane): boolean {
    const name = formatLane(lane);
    const isNew = !this.#forced.has(name);
    if (this.#forced.size < FORCED_MAX) this.#forced.add(name);
    return isNew;
  }

  isForced(lane: Lane): boolean {
    return this.#forced.has(formatLane(lane));
  }

  /** Starts as many openings as may run. @param onBroken gets an InvariantError, which ends the run. */
  openDue(closed: ClosedLane[], onBroken: (error: InvariantError) => void): void {
    // Lanes that fail again and again must not keep the others from their turn.
    const failuresOf = ({ lane }: ClosedLane) => this.#failures.get(formatLane(lane))?.count ?? 0;
    for (const { lane, distrustedEpoch } of closed.sort((a, b) => failuresOf(a) - failuresOf(b))) {
      const name = formatLane(lane);
      const isDue = (this.#failures.get(name)?.until ?? 0) <= this.#deps.clock.now();
      if (isDue && !this.#running.has(name) && this.#running.size < OPENING_MAX) {
        void this.#attempt(lane, distrustedEpoch, onBroken);
      }
    }
  }

  /** Lanes that failed are tried again at once. */
  forgetFailures(): void {
    this.#failures.clear();
  }

  /** Forgets all lanes but these, which are given by name. */
  keepOnly(lanes: ReadonlyMap<string, Lane>): void {
    for (const name of this.#failures.keys()) if (!lanes.has(name)) this.#failures.delete(name);
    for (const name of this.#forced) if (!lanes.has(name)) this.#forced.delete(name);
  }

  /** Returns when the openings under way have ended, well or not. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#running.values());
  }

  /** Never throws: a failure delays the next attempt. */
  async #attempt(
    lane: Lane,
    distrustedEpoch: number,
    onBroken: (error: InvariantError) => void,
  ): Promise<void> {
    const { clock, logger, random, metrics } = this.#deps;
    const name = formatLane(lane);
    try {
      const isForced = this.#forced.has(name);
      await this.ensureOpen(lane, { distrustedEpoch, ...(isForced ? { isForced } : {}) });
      if (isForced) this.#forced.delete(name);
      this.#failures.delete(name);
    } catch (error) {
      if (error instanceof InvariantError) {
        onBroken(error);
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
