import { backoffMs, classifyPostgresError, UpstreamError, type Clock, type Logger } from '@seckill/runtime';
import { StockError, type StockClient } from '../stock-client.ts';
import { Damage } from './damage.ts';
import { FailedGroups } from './failed-groups.ts';
import type { ClosedLane, Decided, GroupStore } from './group-store.ts';
import type { GroupMetrics } from './metrics.ts';

export interface GroupsDeps {
  store: GroupStore;
  stock: Pick<StockClient, 'readState'>;
  /** Tells the relay that there is something to publish. */
  wake: () => void;
  clock: Clock;
  logger: Logger;
  metrics: GroupMetrics;
  random?: () => number;
}

/** Buyers wait for the decision, and for their money. */
const ROUND_MS = 500;
/** A decision that takes longer counts many orders. Such counts take a tenth of the time at most. */
const LONG_MS = 200;
const REST_SHARE = 9;
/** The longest rest: whoever waits for a decision waits for it too. */
const REST_MAX_MS = 10_000;
/** Sales in one round. The next round goes on behind them. */
const SALES_MAX = 100;
const BACKOFF = { baseMs: 100, capMs: 2_000 };

/**
 * Decides group purchases once their sale has closed, and ends the orders of those that failed (D81). All
 * that is known stands in Postgres, so this goes on after a restart. Every replica looks; each decision and
 * each step is one transaction, which one of them makes.
 */
export class Groups {
  readonly #deps: GroupsDeps;
  #after = '';
  /** Why stock cannot tell of a sale: in this round through all sales, and in the round before. */
  #untold = new Map<string, string>();
  #untoldBefore = new Map<string, string>();
  readonly #damage: Damage;
  readonly #failed: FailedGroups;

  constructor(deps: GroupsDeps) {
    this.#deps = deps;
    this.#damage = new Damage(deps);
    this.#failed = new FailedGroups({ ...deps, damage: this.#damage });
  }

  /**
   * Runs until the signal aborts. While Postgres is away it waits.
   * @throws an error of our own SQL, which must end the process.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, random } = this.#deps;
    let failures = 0;
    while (!signal.aborted) {
      let pauseMs = ROUND_MS;
      try {
        await this.pass(signal);
        failures = 0;
      } catch (error) {
        if (classifyPostgresError(error) !== 'transient') throw error;
        logger.warn({ err: error, failures }, 'groups: postgres is away, waiting');
        pauseMs = backoffMs(failures, { ...BACKOFF, ...(random === undefined ? {} : { random }) });
        failures += 1;
      }
      await clock.sleep(pauseMs, signal);
    }
  }

  /** Decides what can be decided, and ends what failed, whatever became of the decisions. */
  async pass(signal: AbortSignal): Promise<void> {
    this.#damage.forgetMended();
    try {
      await this.#decide(signal);
    } finally {
      await this.#measure();
      await this.#failed.pass(signal);
    }
  }

  async #measure(): Promise<void> {
    const { store, metrics } = this.#deps;
    const { count, overdueSeconds } = await store.readWaiting();
    metrics.groupsWaiting.set(count);
    metrics.groupsOverdueSeconds.set(overdueSeconds);
  }

  /** Whatever stops it, the next round begins behind the sale that did: none is in the way of others. */
  async #decide(signal: AbortSignal): Promise<void> {
    const { store, clock } = this.#deps;
    const saleIds = await store.listClosed(this.#after, SALES_MAX);
    for (const saleId of saleIds) {
      if (signal.aborted) return;
      this.#after = saleId;
      const lane = await this.#readClosed(saleId);
      if (lane === 'away') return;
      if (lane === undefined) continue;
      const startedAt = clock.now();
      await this.#damage.guard(saleId, { saleId }, async () => {
        this.#tell(await store.decide(saleId, lane));
      });
      const tookMs = clock.now() - startedAt;
      if (tookMs > LONG_MS) {
        await clock.sleep(Math.min(REST_MAX_MS, REST_SHARE * tookMs), signal);
        return;
      }
    }
    if (saleIds.length === SALES_MAX) return;
    this.#after = '';
    this.#untoldBefore = this.#untold;
    this.#untold = new Map();
  }

  /** Undefined while the lane may still reserve, or stock cannot tell; `away` when no stock answers. */
  async #readClosed(saleId: string): Promise<ClosedLane | 'away' | undefined> {
    const { stock } = this.#deps;
    try {
      const { gate, state, now, closesAt, epoch, sequence } = await stock.readState(saleId);
      const isClosed = gate === 'open' && (state === 'closed' || now >= closesAt);
      return isClosed ? { epoch, sequence } : undefined;
    } catch (error) {
      if (!(error instanceof UpstreamError) && !(error instanceof StockError)) throw error;
      this.#warnOnce(saleId, error);
      return error instanceof UpstreamError ? 'away' : undefined;
    }
  }

  /** A sale is looked at again and again, maybe for hours: what changed is told, and not each look. */
  #warnOnce(saleId: string, error: UpstreamError | StockError): void {
    const known = this.#untold.get(saleId) ?? this.#untoldBefore.get(saleId);
    this.#untold.set(saleId, error.message);
    if (known === error.message) return;
    const line = 'groups: stock cannot tell whether a sale is over, waiting';
    this.#deps.logger.warn({ err: error, saleId }, line);
  }

  #tell(decided: Decided[]): void {
    const { logger, metrics } = this.#deps;
    for (const one of decided) {
      metrics.groupsDecided.inc({ result: one.result });
      logger.info(one, 'groups: decided');
    }
  }
}
