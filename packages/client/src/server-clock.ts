/**
 * The server's clock, as far as its answers tell. Each answer gives a reading and how far it may be off.
 * The most exact reading counts, until it is old or a newer one contradicts it, as after the phone's clock
 * was set.
 */

/** A phone's clock runs wrong by less than 50 ppm, which is 30 ms in this time. */
const KEEP_MS = 600_000;

export interface ServerClock {
  /**
   * @param errorMs how far `serverMs` may be off at `localMs`
   */
  learn(serverMs: number, errorMs: number, localMs: number): void;
  /** The server's instant in ms since 1970. Before the first answer it is the instant of this machine. */
  now(): number;
  isKnown(): boolean;
}

export function createServerClock(localNow: () => number = Date.now): ServerClock {
  let best: { offset: number; errorMs: number; localMs: number } | undefined;
  return {
    learn(serverMs, errorMs, localMs) {
      const offset = serverMs - localMs;
      if (
        best === undefined ||
        errorMs <= best.errorMs ||
        localMs - best.localMs > KEEP_MS ||
        Math.abs(offset - best.offset) > errorMs + best.errorMs
      ) {
        best = { offset, errorMs, localMs };
      }
    },
    now: () => localNow() + (best?.offset ?? 0),
    isKnown: () => best !== undefined,
  };
}
