import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SaleHeartbeat } from '@seckill/contracts';
import type { Listener } from './listener.ts';
import type { SaleState } from './sale-state.ts';

/** Four times a second, and never more often. */
export const LOOK_MS = 250;
/**
 * A connection that says nothing is cut: by our own server and by most proxies after a minute, by many
 * proxies after 30 s. The heartbeat is an event beside a comment of the stream, because a page is told of no
 * comment and has to know a silent connection from a dead one. The heartbeat comes whatever else is told,
 * because it also says how slowly to come back.
 */
const HEARTBEAT_MS = 15_000;
/** Writing to one takes 18 µs of CPU (10,000 listeners, measured). After this many others get their turn. */
const SLICE = 200;
/** Telling all takes at most this share of the process's time: a sale that sells changes all the time. */
const SHARE = 4;
/** Everyone hears "closed" at once, and comes back over this many ms, if at all. */
const CLOSED_RETRY_MS = [5_000, 30_000] as const;

/** Says that the connection lives, and nothing of the sale. */
export function heartbeat(spreadMs: number): Buffer {
  return Buffer.from(
    `: heartbeat\nevent: heartbeat\ndata: ${JSON.stringify({ spreadMs } satisfies SaleHeartbeat)}\n\n`,
  );
}

/** The listeners of one sale, and what they were told. */
export class SaleFeed {
  readonly listeners = new Set<Listener>();
  dueAt: number;
  isBusy = false;
  #now: () => number;
  #told: SaleState;
  #beatAt: number;

  constructor(first: SaleState, now: () => number) {
    this.#now = now;
    this.#told = first;
    this.#beatAt = now();
    this.dueAt = this.#beatAt + LOOK_MS;
  }

  /** Is called all the time, also while a look hangs: no look may keep the heartbeat back. */
  async beat(spreadMs: number): Promise<void> {
    if (this.#now() - this.#beatAt < HEARTBEAT_MS) return;
    this.#beatAt = this.#now();
    const bytes = heartbeat(spreadMs);
    await this.#sendAll(() => bytes, undefined);
  }

  /** Tells all who have another state. Absent: nobody knows the sale now. */
  async tell(state: SaleState | undefined): Promise<void> {
    const startedAt = this.#now();
    if (state !== undefined && state.id !== this.#told.id) {
      const isCountsOnly = state.version === this.#told.version;
      this.#told = state;
      await this.#sendAll(
        ({ hearsCounts }) => (hearsCounts && isCountsOnly ? state.counts : state.whole),
        state.id,
      );
    } else if (state !== undefined) {
      // A listener whose first call was overtaken has an older state than the others.
      for (const listener of [...this.listeners]) {
        if (listener.tag !== state.id && listener.send(state.whole)) listener.tag = state.id;
      }
    }
    if (state?.isClosed === true) {
      for (const listener of this.listeners) listener.end('closed', CLOSED_RETRY_MS);
    }
    const now = this.#now();
    this.dueAt = startedAt + Math.max(LOOK_MS, SHARE * (now - startedAt));
  }

  async #sendAll(bytesFor: (listener: Listener) => Buffer, tag: string | undefined): Promise<void> {
    let sent = 0;
    // A listener who comes meanwhile has the newest state already.
    for (const listener of [...this.listeners]) {
      if (tag !== undefined && listener.tag === tag) continue;
      if (listener.send(bytesFor(listener)) && tag !== undefined) listener.tag = tag;
      sent += 1;
      if (sent % SLICE === 0) await nextTurn();
    }
  }
}
