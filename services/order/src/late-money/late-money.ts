import { LIMITS } from '@seckill/contracts';
import { backoffMs, classifyPostgresError, UpstreamError, type Clock, type Logger } from '@seckill/runtime';
import type { SharedMetrics } from '../metrics.ts';
import type { Applied } from '../payments/payment.ts';
import { report } from '../payments/payments.ts';
import { StockError, type StockClient } from '../stock-client.ts';

export interface LateOrder {
  orderId: string;
  /** The money has waited for GIVE_UP_SECONDS. */
  isOver: boolean;
}

/** What late money needs of Postgres. */
export interface LateMoneyStore {
  /** Lists the orders that have waited longest. */
  list(options: { countMax: number; except: string[]; giveUpSeconds: number }): Promise<LateOrder[]>;
  /** The late money of these orders buys nothing. @returns what was decided by this call. */
  refund(orderIds: string[]): Promise<Applied[]>;
}

export interface LateMoneyDeps {
  store: LateMoneyStore;
  stock: Pick<StockClient, 'retake'>;
  clock: Clock;
  logger: Logger;
  metrics: SharedMetrics;
  random?: () => number;
}

/** How long money that another replica was told of may wait. Our own wakes us at once. */
const ROUND_MS = 500;
/** The settlement of the expired hold reaches Redis within some 100 ms. */
const LATER_MS = 250;
/**
 * Kafka brings what Redis took to the intake within a second. If Redis lost what it had written last, nothing
 * comes, and Redis is asked again after this time.
 */
const TAKEN_MS = 5_000;
/** This bounds the list of those that are asked again later. Beyond it, new ones wait for their turn. */
const DELAYED_MAX = 5_000;
/** A buyer who paid late wants to know. What has not become an order by then is due for refund. */
const GIVE_UP_SECONDS = 300;
const BACKOFF = { baseMs: 100, capMs: 2_000 };

/**
 * Asks stock for the units of expired orders whose money came late (D58). What waits stands in Postgres, so
 * this goes on after a restart. Every replica asks: the hold stands there after the first call, and the order
 * is decided under the lock of its row.
 */
export class LateMoney {
  readonly #deps: LateMoneyDeps;
  /** Until when an order is not asked for again, by the injected clock. */
  readonly #delays = new Map<string, number>();
  #wakeUp = new AbortController();

  constructor(deps: LateMoneyDeps) {
    this.#deps = deps;
  }

  wake(): void {
    this.#wakeUp.abort();
  }

  /**
   * Runs until the signal aborts. While an engine is away it waits.
   * @throws an error of our own (InvariantError, SQL), which must end the process.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, random } = this.#deps;
    let failures = 0;
    while (!signal.aborted) {
      this.#wakeUp = new AbortController();
      let pauseMs = this.#delays.size > 0 ? LATER_MS : ROUND_MS;
      try {
        const isFull = await this.pass();
        failures = 0;
        if (isFull) continue;
      } catch (error) {
        if (classifyPostgresError(error) !== 'transient' && !isAboutStock(error)) throw error;
        logger.warn({ err: error, failures }, 'late money: an engine is away, waiting');
        pauseMs = backoffMs(failures, { ...BACKOFF, ...(random === undefined ? {} : { random }) });
        failures += 1;
      }
      // A notice must not turn a pause after a failure into none.
      const wakeUp = failures === 0 ? [signal, this.#wakeUp.signal] : [signal];
      await clock.sleep(pauseMs, AbortSignal.any(wakeUp));
    }
  }

  /** One call to stock. @returns whether there may be more at once. */
  async pass(): Promise<boolean> {
    const { store, stock, clock } = this.#deps;
    const now = clock.now();
    for (const [orderId, until] of this.#delays) if (until <= now) this.#delays.delete(orderId);
    const countMax = Math.min(LIMITS.retakeBatchMax, DELAYED_MAX - this.#delays.size);
    if (countMax <= 0) return false;
    const except = [...this.#delays.keys()];
    const late = await store.list({ countMax, except, giveUpSeconds: GIVE_UP_SECONDS });
    await this.#refund(idsOf(late, true), 'given_up');
    const ids = idsOf(late, false);
    if (ids.length > 0) {
      const answers = await stock.retake(ids);
      const refused = ids.filter((_id, index) => answers[index]?.result === 'refused');
      for (const [index, id] of ids.entries()) this.#delay(id, answers[index]?.result);
      await this.#refund(refused, 'refunded');
    }
    return late.length === countMax;
  }

  #delay(orderId: string, result: 'taken' | 'refused' | 'later' | undefined): void {
    if (result === 'refused') return;
    this.#delays.set(orderId, this.#deps.clock.now() + (result === 'taken' ? TAKEN_MS : LATER_MS));
  }

  async #refund(orderIds: string[], result: 'refunded' | 'given_up'): Promise<void> {
    if (orderIds.length === 0) return;
    const { store, logger, metrics } = this.#deps;
    const applied = await store.refund(orderIds);
    metrics.lateMoney.inc({ result }, new Set(applied.map(({ orderId }) => orderId)).size);
    // Nothing is settled by a refund, so the relay has nothing to publish.
    report(applied, { wake: () => undefined, logger, metrics });
  }
}

function idsOf(late: LateOrder[], isOver: boolean): string[] {
  return late.filter((one) => one.isOver === isOver).map(({ orderId }) => orderId);
}

const isAboutStock = (error: unknown) => error instanceof UpstreamError || error instanceof StockError;
