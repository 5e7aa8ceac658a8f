import { setTimeout as delay } from 'node:timers/promises';

/**
 * Waits and measures. The clock is passed in so that a test can run the same code on its own clock. The clock
 * is never a source of business time: windows and deadlines are judged by Redis and Postgres.
 */
export interface Clock {
  /** Milliseconds, monotonic. */
  now(): number;
  /** The sleep ends early, without an error, when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  async sleep(ms, signal) {
    try {
      await delay(ms, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      if (signal?.aborted !== true) throw error;
    }
  },
};

/**
 * The delay is exponential and capped, with full jitter on the upper half, so that many waiters do not return
 * in step.
 */
export function backoffMs(
  attempt: number,
  options: { baseMs: number; capMs: number; random?: () => number },
) {
  const ceiling = Math.min(options.capMs, options.baseMs * 2 ** Math.min(attempt, 30));
  return ceiling / 2 + (ceiling / 2) * (options.random ?? Math.random)();
}
