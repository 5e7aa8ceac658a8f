import {
  backoffMs,
  classifyPostgresError,
  transaction,
  type Clock,
  type Logger,
  type Pool,
} from '@seckill/runtime';
import type { ExpiryMetrics } from './metrics.ts';
import type { SaleStore } from '../sales/sale-store.ts';
import { expireOrders, isAnyDue, type Expired } from '../ledger/settlement.ts';

/** What expiry needs of Postgres. */
export interface ExpiryStore {
  /** Ends the orders that are longest overdue, in one transaction. */
  expireDue(options: { graceMs: number; countMax: number }): Promise<Expired>;
  /** @returns ids of the sales that are retired from now on. */
  retireSales(): Promise<string[]>;
}

export function createExpiryStore(pool: Pool, sales: SaleStore): ExpiryStore {
  return {
    async expireDue(options) {
      // Ten times a second nothing is due, and one statement says so; a transaction would take three.
      if (!(await isAnyDue(pool, options.graceMs))) return { ended: 0, lagSeconds: 0 };
      return transaction(pool, (client) => expireOrders(client, options));
    },
    retireSales: () => sales.retire(),
  };
}

export interface ExpiryDeps {
  store: ExpiryStore;
  /** Tells the relay that there is something to publish. */
  wake: () => void;
  clock: Clock;
  logger: Logger;
  metrics: ExpiryMetrics;
  batchCountMax: number;
  /**
   * Added to the end of a hold. Redis set the end by its own clock, which may be behind ours
   * (docs/recovery.md, "Time").
   */
  graceMs: number;
  pollMs: number;
  random?: () => number;
}

/** A sale retires a day after its last hold, so a minute more does not matter. */
const RETIRE_EVERY_MS = 60_000;
const BACKOFF = { baseMs: 50, capMs: 2_000 };

/** Ends the holds whose time is over by Postgres' clock. Several processes may run it at once. */
export class Expiry {
  readonly #deps: ExpiryDeps;
  #retireAt = Number.NEGATIVE_INFINITY;

  constructor(deps: ExpiryDeps) {
    this.#deps = deps;
  }

  /**
   * Runs until the signal aborts and the batch under way is done. While Postgres is away it waits.
   * @throws an error of our own (InvariantError, SQL), which must end the process.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, metrics, pollMs, random } = this.#deps;
    let failures = 0;
    while (!signal.aborted) {
      let pauseMs = pollMs;
      try {
        const isFull = await this.pass();
        failures = 0;
        // No pause and no ceiling: a whole sale may end in the same second.
        if (isFull) continue;
        await this.#retire();
      } catch (error) {
        if (classifyPostgresError(error) !== 'transient') throw error;
        metrics.expiryRetries.inc();
        logger.warn({ err: error, failures }, 'expiry: postgres is away, waiting');
        pauseMs = backoffMs(failures, { ...BACKOFF, ...(random === undefined ? {} : { random }) });
        failures += 1;
      }
      await clock.sleep(pauseMs, signal);
    }
  }

  /** One batch. @returns whether it was full, so that there may be more. */
  async pass(): Promise<boolean> {
    const { store, clock, metrics, wake, graceMs, batchCountMax } = this.#deps;
    const startedAt = clock.now();
    const { ended, lagSeconds } = await store.expireDue({ graceMs, countMax: batchCountMax });
    if (ended === 0) return false;
    wake();
    metrics.ordersEnded.inc({ verdict: 'expired' }, ended);
    metrics.expiryLagSeconds.observe(lagSeconds);
    metrics.expiryBatchSeconds.observe((clock.now() - startedAt) / 1_000);
    return ended >= batchCountMax;
  }

  async #retire(): Promise<void> {
    const { store, clock, logger } = this.#deps;
    if (clock.now() < this.#retireAt) return;
    for (const saleId of await store.retireSales()) logger.info({ saleId }, 'expiry: the sale is retired');
    this.#retireAt = clock.now() + RETIRE_EVERY_MS;
  }
}
