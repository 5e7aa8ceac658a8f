/** A sale as it changes: live where the platform can, by looks where not. */
import { monotonicNow, sleep, withJitter } from './follow.ts';
import type { Followed } from './follow.ts';
import { listen } from './live.ts';
import type { LiveSourceClass } from './live.ts';
import type { Result, Sale } from './results.ts';
import type { CancelSignal } from './transport.ts';

/** The shortest time between two looks. A crowd that looks more often is load that sells nothing. */
const WATCH_MIN_MS = 1_000;
const WATCH_MS = 2_000;
/** A listener whom the gateway has no place for asks again after this time. */
const LIVE_PAUSE_MS = 30_000;
/**
 * One who was live asks again after this time, to which jitter is added: all listeners of a gateway that dies
 * come back together. The gateway says how much. While that fails, and where a connection holds for a moment
 * only, the time doubles.
 */
const BREAK_PAUSE_MS = 1_000;
const SPREAD_MS = 2_000;

export interface WatchOptions {
  /**
   * ms between looks where the sale does not come live, at least 1,000, to which jitter is added;
   * default 2,000.
   */
  everyMs?: number;
  signal?: CancelSignal;
}

type Watched = Result<Sale, 'getSale'>;

/** Where a sale can be heard of and looked at. */
interface Sources {
  eventSource: LiveSourceClass | null;
  /** The address of the sale's events. */
  live: string;
  /** Asks for the sale; a success without a value says that it is as it was at this ETag. */
  look: (etag: string | undefined) => Promise<Followed>;
}

/** When a live connection is tried again, after one that ended. */
class Pace {
  /** By `monotonicNow()`. */
  liveFrom = 0;
  #pauseMs = LIVE_PAUSE_MS;
  #wasEverLive = false;
  /** Over how many ms the gateway wants its listeners to come back. */
  spreadMs = SPREAD_MS;

  /** @returns how many ms the next connection is away */
  afterEnd({ isLive, heldMs }: { isLive: boolean; heldMs: number }): number {
    const isFirstBreak = isLive && (heldMs > LIVE_PAUSE_MS || !this.#wasEverLive);
    this.#pauseMs = isFirstBreak ? BREAK_PAUSE_MS : Math.min(LIVE_PAUSE_MS, 2 * this.#pauseMs);
    this.#wasEverLive ||= isLive;
    const waitMs = this.#pauseMs + Math.random() * Math.max(this.#pauseMs / 2, this.spreadMs);
    this.liveFrom = monotonicNow() + waitMs;
    return waitMs;
  }
}

/** Ends when the sale is closed, the watch is given up, or a look fails for good. */
export async function* watch(
  { eventSource, live, look }: Sources,
  { everyMs = WATCH_MS, signal }: WatchOptions,
): AsyncGenerator<Watched, void> {
  const pace = new Pace();
  let etag: string | undefined;
  const untilLook = (): number => {
    const lookMs = withJitter(Math.max(everyMs, WATCH_MIN_MS));
    return eventSource === null ? lookMs : Math.min(lookMs, Math.max(0, pace.liveFrom - monotonicNow()));
  };
  do {
    if (eventSource !== null && monotonicNow() >= pace.liveFrom) {
      const startedAt = monotonicNow();
      let isLive = false;
      for await (const value of listen(eventSource, live, signal, (ms) => void (pace.spreadMs = ms))) {
        if (signal?.aborted === true) return;
        isLive = true;
        yield { ok: true, value };
        if (value.state === 'closed') return;
      }
      const waitMs = pace.afterEnd({ isLive, heldMs: monotonicNow() - startedAt });
      etag = undefined;
      // The first look is as much of a wave as the connections are.
      if (isLive && !(await sleep(waitMs, signal))) return;
    }
    const found = await look(etag);
    if (signal?.aborted === true) return;
    if (!found.ok || found.value !== undefined) yield found as Watched;
    if (found.ok) {
      if ((found.value as Sale | undefined)?.state === 'closed') return;
      etag = found.answer.header('etag') ?? etag;
    } else if (!found.retryable) return;
  } while (await sleep(untilLook(), signal));
}
