import { Cancellation } from './cancellation.ts';
import type { Clock } from './clock.ts';

export interface BatcherOptions<Item, Answer> {
  clock: Clock;
  /**
   * Sends the items. Answers one per item, in order. The call is cancelled when the items were answered
   * `unknown`; it must settle soon then.
   */
  send: (items: Item[], cancellation: Cancellation) => Promise<Answer[]>;
  /**
   * What an item hears that was surely not sent: the queue was full, the item waited too long, or the batcher
   * is closed.
   */
  overloaded: Answer;
  /** What an item hears whose call took too long, threw, or answered for another number of items. */
  unknown: Answer;
  /** Hears why a call failed. The items of that call hear `unknown`. */
  onFailure: (error: unknown) => void;
  /** Calls under way at a time. Fewer make larger batches: items queue while all are busy. */
  callsMax: number;
  /** Items in one call; 1 switches batching off. */
  batchCountMax: number;
  /** Items that wait. One more is refused, before anything was moved. */
  queueCountMax: number;
  /** How long an item may wait to be sent. */
  waitMs: number;
  /** How long a call may take. */
  callMs: number;
}

interface Entry<Item, Answer> {
  item: Item;
  /** The instant of the clock at which the item is refused if it was not sent by then. */
  sendBy: number;
  resolve: (answer: Answer) => void;
}

/** A call under way. */
interface Call<Item, Answer> {
  entries: Entry<Item, Answer>[];
  /** The instant of the clock at which its items are answered `unknown`. */
  answerBy: number;
  cancellation: Cancellation;
  ended: Promise<void>;
}

/**
 * Brings together what arrives while calls are under way (D8), or in one turn of the event loop. An item
 * alone leaves at the end of the turn, so nothing waits at low load. At the peak the items share the cost of
 * a call. Items leave in the order they came. `add` never rejects, and one item's answer depends on no
 * other's.
 */
export class Batcher<Item, Answer> {
  readonly #options: BatcherOptions<Item, Answer>;
  #queue: Entry<Item, Answer>[] = [];
  /** The oldest first. */
  readonly #calls = new Set<Call<Item, Answer>>();
  #isSweeping = false;
  #isWatching = false;
  #isScheduled = false;
  #isClosed = false;

  constructor(options: BatcherOptions<Item, Answer>) {
    this.#options = options;
  }

  /** Items that wait to be sent. */
  get queued(): number {
    return this.#queue.length;
  }

  add(item: Item): Promise<Answer> {
    const { clock, overloaded, queueCountMax, waitMs } = this.#options;
    if (this.#isClosed || this.#queue.length >= queueCountMax) return Promise.resolve(overloaded);
    return new Promise((resolve) => {
      this.#queue.push({ item, sendBy: clock.now() + waitMs, resolve });
      this.#sendSoon();
      void this.#sweep();
    });
  }

  /**
   * Takes no more items, and resolves once every item was answered. The wait is bounded by waitMs and callMs.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#sendNext();
    while (this.#calls.size > 0) await Promise.all([...this.#calls].map(({ ended }) => ended));
  }

  #hasFreeCall(): boolean {
    return this.#calls.size < this.#options.callsMax;
  }

  /**
   * Sends after what the sockets have brought in this turn. Without that, at the peak every second call
   * carried one item only. The wait gives 23 % more reservations a second (median of six pairs).
   */
  #sendSoon(): void {
    if (this.#isScheduled || !this.#hasFreeCall()) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#sendNext();
    });
  }

  #sendNext(): void {
    const { clock, callMs, batchCountMax } = this.#options;
    this.#refuseLate();
    while (this.#queue.length > 0 && this.#hasFreeCall()) {
      const entries = this.#queue.splice(0, batchCountMax);
      const cancellation = new Cancellation();
      const ended = this.#call(entries, cancellation);
      const call = { entries, cancellation, ended, answerBy: clock.now() + callMs };
      this.#calls.add(call);
      void this.#watch();
      void ended.finally(() => {
        this.#calls.delete(call);
        this.#sendNext();
      });
    }
  }

  async #call(entries: Entry<Item, Answer>[], cancellation: Cancellation): Promise<void> {
    const { send, unknown, onFailure } = this.#options;
    try {
      const items = entries.map(({ item }) => item);
      const answers = await send(items, cancellation);
      const isWhole = answers.length === entries.length;
      if (!isWhole) onFailure(new Error(`${answers.length} answers for ${entries.length} items`));
      for (const [index, { resolve }] of entries.entries()) {
        resolve(isWhole ? (answers[index] ?? unknown) : unknown);
      }
    } catch (error) {
      onFailure(error);
      for (const { resolve } of entries) resolve(unknown);
    }
  }

  /** While calls are under way, one timer at a time for the oldest: all may take equally long. */
  async #watch(): Promise<void> {
    if (this.#isWatching) return;
    this.#isWatching = true;
    const { clock, unknown } = this.#options;
    for (;;) {
      const oldest = [...this.#calls].find(({ cancellation }) => !cancellation.aborted);
      if (oldest === undefined) break;
      await clock.sleep(Math.max(1, oldest.answerBy - clock.now()));
      const now = clock.now();
      for (const { entries, answerBy, cancellation } of this.#calls) {
        if (answerBy > now || cancellation.aborted) continue;
        // The items are answered now, whether or not `send` heeds it. What `send` answers later is dropped.
        for (const { resolve } of entries) resolve(unknown);
        cancellation.abort();
      }
    }
    this.#isWatching = false;
  }

  /** All wait equally long, so the first in the queue is always the first that is late. */
  #refuseLate(): void {
    const { clock, overloaded } = this.#options;
    const now = clock.now();
    let late = 0;
    while (late < this.#queue.length && (this.#queue[late]?.sendBy ?? 0) <= now) late += 1;
    for (const { resolve } of this.#queue.splice(0, late)) resolve(overloaded);
  }

  /** While items wait, one timer at a time for the first of them. */
  async #sweep(): Promise<void> {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      await this.#options.clock.sleep(Math.max(1, first.sendBy - this.#options.clock.now()));
      this.#refuseLate();
    }
    this.#isSweeping = false;
  }
}
