import type { ServerResponse } from 'node:http';
import { Problem, type Logger } from '@seckill/runtime';
import type { SaleReader } from '../sales/sale-reader.ts';
import type { Trace } from '../upstream/trace.ts';
import { Listener, retryLine, type EndReason } from './listener.ts';
import type { EventMetrics } from './metrics.ts';
import { Places } from './places.ts';
import { heartbeat, LOOK_MS, SaleFeed } from './sale-feed.ts';
import { SaleState } from './sale-state.ts';

export interface SaleEventsDeps {
  reader: Pick<SaleReader, 'isRemembered' | 'watch'>;
  isReady: () => boolean;
  /** Milliseconds, monotonic. */
  now: () => number;
  listenersMax: number;
  addressListenersMax: number;
  metrics: EventMetrics;
  logger: Logger;
}

/**
 * Looks that are calls, because the memory is silent about the sale: so many at a time, each once a
 * second.
 */
const CALLS_MAX = 16;
const CALL_PAUSE_MS = 1_000;
/** A connection that broke is made anew after this time at the earliest. */
const RETRY_MS = 1_000;
/** While draining, the listeners are ended in this many parts, one in 250 ms: 4 s of the 5 s of a drain. */
const DRAIN_PARTS = 16;

/**
 * Tells listeners what becomes of sales. The process hears all sales by the one subscription of its memory,
 * and looks there four times a second, once for all listeners of a sale. What is silent there is asked for.
 */
export class SaleEvents {
  readonly #deps: SaleEventsDeps;
  readonly #places: Places;
  readonly #feeds = new Map<string, SaleFeed>();
  #calls = 0;
  #timer: NodeJS.Timeout | undefined;
  /** What was decided for all listeners when the process began to leave. */
  #leaving: { partSize: number; spreadMs: number } | undefined;

  constructor(deps: SaleEventsDeps) {
    this.#deps = deps;
    const { listenersMax: max, addressListenersMax: addressMax, metrics } = deps;
    this.#places = new Places({ max, addressMax, metrics });
  }

  /**
   * What a new listener is told first; `accept` makes it one, or `leave` gives its place back.
   * @throws Problem as a reading of the sale; `rate_limited`, `overloaded` when too many listen, or we drain
   */
  async join(saleId: string, address: string, trace: Trace) {
    if (!this.#deps.isReady()) throw new Problem('overloaded');
    const leave = this.#places.take(address);
    try {
      const { reading, now } = await this.#deps.reader.watch(saleId, trace);
      const state = new SaleState(reading, now);
      const accept = (
        response: ServerResponse,
        { lastEventId, hearsCounts = false }: { lastEventId?: string; hearsCounts?: boolean } = {},
      ): void => {
        this.#accept({ saleId, state, response, leave, lastEventId, hearsCounts });
      };
      return { state, accept, leave };
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Ends every listener, so that the server can close. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const { listeners } of this.#feeds.values()) {
      for (const listener of listeners) listener.end('drained', this.#comesBack);
    }
  }

  /** The bounds within which a browser comes back. */
  get #comesBack(): readonly [number, number] {
    const { spreadMs } = this.#leaving ?? this.#places;
    return [RETRY_MS, RETRY_MS + spreadMs];
  }

  #accept(of: {
    saleId: string;
    state: SaleState;
    response: ServerResponse;
    leave: () => void;
    lastEventId: string | undefined;
    hearsCounts: boolean;
  }): void {
    const { saleId, state, response, leave, lastEventId, hearsCounts } = of;
    const feed = this.#feeds.get(saleId) ?? new SaleFeed(state, this.#deps.now);
    const onEnd = (reason: EndReason): void => {
      leave();
      feed.listeners.delete(listener);
      if (feed.listeners.size === 0 && this.#feeds.get(saleId) === feed) this.#feeds.delete(saleId);
      this.#deps.metrics.ended.inc({ reason });
    };
    const listener = new Listener(response, state.id, onEnd, hearsCounts);
    this.#feeds.set(saleId, feed);
    feed.listeners.add(listener);
    response.write(retryLine(...this.#comesBack));
    // Before the state: a large one takes a moment, and who is sent more meanwhile passes for slow.
    if (!state.isClosed) listener.send(heartbeat(this.#places.spreadMs));
    // A listener who has this state already hears of the next one.
    if (lastEventId !== state.id) listener.send(state.whole);
    if (state.isClosed) listener.end('closed', this.#comesBack);
    this.#timer ??= setInterval(() => {
      this.#tick();
    }, LOOK_MS).unref();
  }

  #tick(): void {
    if (!this.#deps.isReady()) this.#endSome();
    for (const [saleId, feed] of this.#feeds) {
      feed.beat(this.#places.spreadMs).catch((error: unknown) => {
        this.#tellBug(error, saleId);
      });
    }
    const now = this.#deps.now();
    const due = [...this.#feeds].filter(([, feed]) => !feed.isBusy && feed.dueAt <= now + 1);
    // The sale that has waited longest is asked for first, or the same few would take all calls.
    for (const [saleId, feed] of due.sort(([, one], [, other]) => one.dueAt - other.dueAt)) {
      const isCall = !this.#deps.reader.isRemembered(saleId);
      if (!isCall || this.#calls < CALLS_MAX) void this.#look(saleId, feed, isCall);
    }
    if (this.#feeds.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #look(saleId: string, feed: SaleFeed, isCall: boolean): Promise<void> {
    feed.isBusy = true;
    if (isCall) this.#calls += 1;
    let hasCounted = isCall;
    const discount = (): void => {
      if (hasCounted) this.#calls -= 1;
      hasCounted = false;
    };
    try {
      let state: SaleState | undefined;
      let isRemembered = false;
      try {
        const found = await this.#deps.reader.watch(saleId, { requestId: 'events', language: 'en' });
        isRemembered = found.isRemembered;
        state = new SaleState(found.reading, found.now);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        // Nobody can tell now. The listeners keep what they have.
      }
      discount();
      await feed.tell(state);
      if (!isRemembered) feed.dueAt = Math.max(feed.dueAt, this.#deps.now() + CALL_PAUSE_MS);
    } catch (error) {
      this.#tellBug(error, saleId);
      feed.dueAt = this.#deps.now() + CALL_PAUSE_MS;
    } finally {
      discount();
      feed.isBusy = false;
    }
  }

  /** A balancer needs a moment to send them elsewhere, and the others need not get all of them at once. */
  #endSome(): void {
    const listeners = [...this.#feeds.values()].flatMap((feed) => [...feed.listeners]);
    const { spreadMs } = this.#places;
    this.#leaving ??= { partSize: Math.ceil(listeners.length / DRAIN_PARTS), spreadMs };
    for (const listener of listeners.slice(0, this.#leaving.partSize)) {
      listener.end('drained', this.#comesBack);
    }
  }

  #tellBug(error: unknown, saleId: string): void {
    this.#deps.logger.error({ err: error, saleId }, 'the listeners of a sale cannot be told');
  }
}
