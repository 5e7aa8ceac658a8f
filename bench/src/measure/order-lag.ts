import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineReader } from '../engines/engines.ts';
import { buildHistogram, valueAt } from '../generator/latency-recorder.ts';

/** Time between two looks. A lag is too long by at most this time and the query itself. */
const POLL_MS = 10;
/** The most orders that are looked for at once. At 50 a second they are ten seconds of lag. */
const PENDING_MAX = 500;

/** Lags are in ms, and null when no row was seen. */
export interface OrderLag {
  count: number;
  p50: number | null;
  p99: number | null;
  max: number | null;
  /** Probes that never became visible, or were not looked for because too many were pending. */
  missing: number;
}

/**
 * Times the way from the 201 that a buyer heard to the row that another connection of PostgreSQL sees. The
 * recorder takes at most one reservation every 20 ms. Each is looked for every 10 ms. A lag is never too
 * short, and too long by at most 10 ms and a query.
 */
export class OrderLagProbe {
  readonly #engines: EngineReader;
  readonly #pending = new Map<string, number>();
  readonly #all = buildHistogram();
  readonly #second = buildHistogram();
  readonly #abort = new AbortController();
  readonly #loop: Promise<void>;
  #isMeasuring = false;
  #skipped = 0;

  constructor(engines: EngineReader) {
    this.#engines = engines;
    this.#loop = this.#run();
  }

  /** `at` is in ms of the monotonic clock. */
  add(orderId: string, at: number): void {
    if (!this.#isMeasuring) return;
    if (this.#pending.size < PENDING_MAX) this.#pending.set(orderId, at);
    else this.#skipped += 1;
  }

  measure(isMeasuring: boolean): void {
    this.#isMeasuring = isMeasuring;
  }

  /**
   * The p99 in ms of the rows that became visible since the last call. The figure is null when no row did.
   */
  takeP99(): number | null {
    const p99 = this.#second.totalCount === 0 ? null : valueAt(this.#second, 99) / 1_000;
    this.#second.reset();
    return p99;
  }

  /** Waits for what is pending. The result is undefined when nothing was probed. */
  async finish(timeoutMs: number): Promise<OrderLag | undefined> {
    const deadline = performance.now() + timeoutMs;
    while (this.#pending.size > 0 && performance.now() < deadline) await sleep(POLL_MS);
    this.#abort.abort();
    await this.#loop;
    const missing = this.#pending.size + this.#skipped;
    if (this.#all.totalCount + missing === 0) return undefined;
    const count = this.#all.totalCount;
    const at = (percentile: number) => (count === 0 ? null : valueAt(this.#all, percentile) / 1_000);
    return { count, p50: at(50), p99: at(99), max: at(100), missing };
  }

  async #run(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      if (this.#pending.size > 0) await this.#look().catch(() => undefined);
      await sleep(POLL_MS);
    }
  }

  async #look(): Promise<void> {
    const stored = await this.#engines.storedOf([...this.#pending.keys()]);
    const now = Number(process.hrtime.bigint()) / 1e6;
    for (const orderId of stored) {
      const since = this.#pending.get(orderId);
      if (since === undefined) continue;
      this.#pending.delete(orderId);
      const lagUs = Math.min(60_000_000, Math.max(1, Math.round((now - since) * 1_000)));
      this.#all.recordValue(lagUs);
      this.#second.recordValue(lagUs);
    }
  }
}
