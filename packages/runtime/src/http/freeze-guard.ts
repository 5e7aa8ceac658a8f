import type { Logger } from '../logger.ts';

/** How often the loop shows that it turns. */
const TURN_MS = 100;
/**
 * A loop that did not turn for this long was frozen, and what it reads now may have waited for as long. The
 * time is longer than a busy machine keeps a process from running, and together with what a call may take it
 * is shorter than a client waits (docs/recovery.md, "Deadlines").
 */
const FROZEN_MS = 1_500;
/**
 * After waking, all that waited in the sockets is read within this time. One turn of the loop reads every
 * connection, and accepts at least one new one; 511 wait at most, and such a turn takes less than 2 ms.
 */
const WAKING_MS = 1_000;

/**
 * Tells whether a request may have lain unread while this process was frozen (SIGSTOP, a paused container).
 * The caller has given up then, and may have heard something else since.
 */
export class FreezeGuard {
  readonly #logger: Logger;
  /** The instant by our monotonic clock, which goes on while the process is frozen. */
  #turnedAt = performance.now();
  #wakingUntil = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  start(): void {
    this.#turnedAt = performance.now();
    this.#timer = setInterval(() => {
      this.#turn();
    }, TURN_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /**
   * Asked for each request: of what a process reads when it wakes, sockets come before timers, so the first
   * request is the first to see the gap.
   */
  mayHaveWaited(): boolean {
    if (this.#timer === undefined) return false;
    this.#turn();
    return performance.now() < this.#wakingUntil;
  }

  #turn(): void {
    const now = performance.now();
    const ms = now - this.#turnedAt;
    this.#turnedAt = now;
    if (ms < FROZEN_MS) return;
    this.#wakingUntil = now + WAKING_MS;
    this.#logger.warn({ ms: Math.round(ms) }, 'the process was frozen: what waited meanwhile is refused');
  }
}
