import type { ControlAcknowledgement } from '@seckill/contracts';
import { backoffMs, type Clock, type Logger } from '@seckill/runtime';
import type { SalesMetrics } from './metrics.ts';
import { reportDistrusted, type DistrustedEpoch } from './distrusted-epochs.ts';
import { controlStateOf } from './sale-definition.ts';
import type { SaleStore, StoredSale } from './sale-store.ts';
import type { StockClient } from '../stock-client.ts';

/** How long a change made by another replica that died may wait; our own changes wake us at once. */
const ROUND_MS = 500;
/**
 * Each creation waits for Kafka, for PostgreSQL's disk and for Redis' disk, one after the other, and those
 * take many at once as fast as one. A sale with 1,000 channels is about 60 kB, so this is 2 MB under way at
 * most.
 */
export const CONTROL_SYNC_CONCURRENCY = 32;

/**
 * Well below the 5 s that an operator's call waits, so that a call made after stock has come back is
 * confirmed in time.
 */
const DELAY_MS_MAX = 2_000;

export interface ControlSyncDeps {
  store: Pick<SaleStore, 'listDue' | 'acknowledge'>;
  /**
   * Raises the epoch of a sale that stock holds under a later one than Postgres knows.
   * @returns the new distrusted epochs.
   */
  liftEpochs: (seen: { saleId: string; epoch: number }[]) => Promise<DistrustedEpoch[]>;
  /** Decides the adjustments that the control state of this sale had, by what stock says of them. */
  decideAdjustments: (sent: StoredSale, acknowledgement: ControlAcknowledgement) => Promise<void>;
  stock: Pick<StockClient, 'putControl'>;
  clock: Clock;
  logger: Logger;
  metrics: SalesMetrics;
  random?: () => number;
}

interface Delay {
  attempt: number;
  /** An instant of the injected clock. */
  until: number;
}

/**
 * Sends control states to stock until stock has acknowledged them. What is due stands in Postgres, so the
 * sending goes on after a restart. Every replica sends, because versions make repeats harmless.
 */
export class ControlSync {
  readonly #deps: ControlSyncDeps;
  readonly #inFlight = new Map<string, Promise<void>>();
  readonly #delays = new Map<string, Delay>();
  #wakeUp = new AbortController();
  /** Who waits for the acknowledgement of a sale. */
  readonly #waiting = new Map<string, Set<AbortController>>();

  constructor(deps: ControlSyncDeps) {
    this.#deps = deps;
  }

  /**
   * Starts a round at once. A sale whose last call failed keeps its delay: more calls would not help stock.
   */
  wake(saleId: string): void {
    if (!this.#inFlight.has(saleId) && !this.#delays.has(saleId)) this.#wakeUp.abort();
  }

  /**
   * Waits until a call for this sale has ended here, at most so long. Another replica's calls end elsewhere.
   */
  async untilSent(saleId: string, ms: number): Promise<void> {
    const ended = new AbortController();
    const waiting = this.#waiting.get(saleId) ?? new Set();
    this.#waiting.set(saleId, waiting.add(ended));
    try {
      await this.#deps.clock.sleep(ms, ended.signal);
    } finally {
      waiting.delete(ended);
      if (waiting.size === 0 && this.#waiting.get(saleId) === waiting) this.#waiting.delete(saleId);
    }
  }

  /** Ends when the signal aborts and the calls under way have ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    while (!signal.aborted) {
      this.#wakeUp = new AbortController();
      try {
        await this.#round();
      } catch (error) {
        logger.warn({ err: error }, 'control sync: round failed');
      }
      await clock.sleep(this.#pauseMs(), AbortSignal.any([signal, this.#wakeUp.signal]));
    }
    await Promise.all(this.#inFlight.values());
  }

  async #round(): Promise<void> {
    const { store, clock } = this.#deps;
    const free = CONTROL_SYNC_CONCURRENCY - this.#inFlight.size;
    if (free <= 0) return;
    const now = clock.now();
    const delayed = [...this.#delays].filter(([, { until }]) => until > now).map(([saleId]) => saleId);
    const due = await store.listDue(free, [...this.#inFlight.keys(), ...delayed]);
    if (due.length < free) this.#forgetDelays(now, due);
    for (const sale of due) {
      const saleId = sale.definition.id;
      const call = this.#send(sale).finally(() => {
        this.#inFlight.delete(saleId);
        this.#wakeUp.abort();
        for (const ended of this.#waiting.get(saleId) ?? []) ended.abort();
      });
      this.#inFlight.set(saleId, call);
    }
  }

  /** Never throws. A failure delays the next attempt. */
  async #send(sale: StoredSale): Promise<void> {
    const { store, liftEpochs, decideAdjustments, stock, clock, logger, metrics, random } = this.#deps;
    const saleId = sale.definition.id;
    try {
      const acknowledgement = await stock.putControl(controlStateOf(sale));
      const { version, epoch } = acknowledgement;
      if (version < sale.version) throw new Error(`stock stands at version ${version} after ${sale.version}`);
      // An epoch is raised in Postgres before stock hears of it. If stock knows a later one, Postgres was
      // restored.
      reportDistrusted(await liftEpochs([{ saleId, epoch }]), this.#deps);
      if (sale.adjustments.length > 0) await decideAdjustments(sale, acknowledgement);
      const ours = await store.acknowledge(saleId, version);
      if (ours !== undefined && version > ours.version) {
        // Postgres is older than Redis. Stock would ignore what we decide now.
        logger.error({ saleId, stock: version, order: ours.version }, 'control sync: stock is ahead of us');
      }
      // The epoch was distrusted meanwhile, or the load failed. The next attempt waits: a call at once would
      // not help stock.
      if (ours?.isDistrusted === true) throw new Error('the epoch that stock acknowledged is distrusted');
      this.#delays.delete(saleId);
      metrics.controlSyncCalls.inc({ outcome: 'acknowledged' });
    } catch (error) {
      const attempt = (this.#delays.get(saleId)?.attempt ?? -1) + 1;
      const delayMs = backoffMs(attempt, {
        baseMs: 200,
        capMs: DELAY_MS_MAX,
        ...(random === undefined ? {} : { random }),
      });
      this.#delays.set(saleId, { attempt, until: clock.now() + delayMs });
      metrics.controlSyncCalls.inc({ outcome: 'failed' });
      logger.warn({ err: error, saleId, version: sale.version, attempt }, 'control sync: not acknowledged');
    }
  }

  /**
   * Forgets the delays of sales that another replica has sent meanwhile. The list of what is due is whole
   * and lacks those sales.
   */
  #forgetDelays(now: number, due: StoredSale[]): void {
    const ids = new Set(due.map(({ definition }) => definition.id));
    for (const [saleId, { until }] of this.#delays) {
      if (until <= now && !ids.has(saleId) && !this.#inFlight.has(saleId)) this.#delays.delete(saleId);
    }
  }

  /** @returns the time in milliseconds until the next delay ends, at most a round. */
  #pauseMs(): number {
    const now = this.#deps.clock.now();
    const waits = [...this.#delays.values()].map(({ until }) => until - now).filter((wait) => wait > 0);
    return Math.max(10, Math.min(ROUND_MS, ...waits));
  }
}
