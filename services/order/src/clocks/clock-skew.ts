import { backoffMs, type Clock, type Logger, type Pool } from '@seckill/runtime';
import type { ClockMetrics } from './metrics.ts';
import type { StockClient } from '../stock-client.ts';

/**
 * As much as expiry waits beyond the end of a hold by default (EXPIRY_GRACE_MS). With Redis' clock further
 * behind, holds would end before the time that the buyer was told (docs/recovery.md, "Time").
 */
const SKEW_MS_MAX = 500;
const EVERY_MS = 10_000;
const BACKOFF = { baseMs: 1_000, capMs: EVERY_MS };

/** What the measurement needs of Postgres. */
export interface ClockStore {
  /** Postgres' clock, milliseconds since the epoch. */
  readClock(): Promise<number>;
}

export function createClockStore(pool: Pool): ClockStore {
  return {
    async readClock() {
      const { rows } = await pool.query<{ now: number }>(
        'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now',
      );
      return rows[0]?.now ?? Number.NaN;
    },
  };
}

export interface ClockSkewDeps {
  store: ClockStore;
  stock: Pick<StockClient, 'readClock'>;
  clock: Clock;
  logger: Logger;
  metrics: ClockMetrics;
  random?: () => number;
}

/** How far Redis' clock is ahead of Postgres'; milliseconds. */
export interface Skew {
  skewMs: number;
  /** The true skew is at most this far from `skewMs`. */
  uncertaintyMs: number;
}

/**
 * Redis' clock sets the end of a hold, and Postgres' clock judges it. When the two differ by more than the
 * grace, holds end before the time that the buyer was told, or long after it (docs/recovery.md, "Time"). Each
 * replica measures.
 */
export class ClockSkew {
  readonly #deps: ClockSkewDeps;

  constructor(deps: ClockSkewDeps) {
    this.#deps = deps;
    // NaN until the skew was measured: 0 would look like "no skew".
    deps.metrics.clockSkewSeconds.set(Number.NaN);
  }

  /**
   * Measures until the signal aborts. While stock or Postgres is away the gauge is NaN, for nobody knows the
   * skew. Never throws.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, metrics, random } = this.#deps;
    let failures = 0;
    while (!signal.aborted) {
      let pauseMs = EVERY_MS;
      try {
        await this.pass();
        failures = 0;
      } catch (error) {
        metrics.clockSkewSeconds.set(Number.NaN);
        logger.warn({ err: error, failures }, 'clock skew: cannot be measured');
        pauseMs = backoffMs(failures, { ...BACKOFF, ...(random === undefined ? {} : { random }) });
        failures += 1;
      }
      await clock.sleep(pauseMs, signal);
    }
  }

  /** Measures once, and tells metric and alarm. @throws what Postgres or stock throw */
  async pass(): Promise<Skew> {
    const { logger, metrics } = this.#deps;
    const skew = await this.#measure();
    metrics.clockSkewSeconds.set(skew.skewMs / 1_000);
    // An alarm needs certainty, because a slow answer of stock is no wrong clock.
    if (Math.abs(skew.skewMs) - skew.uncertaintyMs > SKEW_MS_MAX) {
      metrics.clockSkewAlarms.inc();
      logger.error({ ...skew, maxMs: SKEW_MS_MAX }, 'clock skew: the clocks of Redis and Postgres differ');
    }
    return skew;
  }

  /** Redis told its time somewhere between our two questions to Postgres. */
  async #measure(): Promise<Skew> {
    const { store, stock } = this.#deps;
    const before = await store.readClock();
    const redis = await stock.readClock();
    const after = await store.readClock();
    // The amount counts without its sign. Postgres' own clock may be set back in between, which makes the
    // measurement as uncertain.
    return { skewMs: redis - (before + after) / 2, uncertaintyMs: Math.abs(after - before) / 2 };
  }
}
