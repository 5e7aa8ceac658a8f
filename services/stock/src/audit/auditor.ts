import { InvariantError, type Clock, type Logger } from '@seckill/runtime';
import { judge } from './judge.ts';
import type { AuditMemory } from './memory.ts';
import type { AuditReader } from './reader.ts';
import type { AuditMetrics } from './metrics.ts';
import { isBrokenLane } from '../lane-content-error.ts';
import type { OrderClient } from '../order-client.ts';

export interface AuditorDeps {
  reader: Pick<AuditReader, 'read'>;
  orderClient: Pick<OrderClient, 'listSales'>;
  memory: AuditMemory;
  clock: Clock;
  logger: Logger;
  metrics: AuditMetrics;
  intervalMs: number;
}

/**
 * A round takes the sales that have waited longest. With more sales the others come in the next rounds, and
 * the age of the audit shows the wait.
 */
const ROUND_SALES_MAX = 100;

/**
 * The share of the time that readings of one process may take. Each reading sums the live orders of a sale
 * twice. Without a bound, a sale of a million had 0.57 of the reservations a second of a sale of a thousand.
 * With the bound it had 0.96 (bench, `million_holds`).
 */
const SHARE_MAX = 0.1;
/**
 * The longest rest. A reading that waited for an engine has cost that engine nothing, and a broken invariant
 * must not stay unseen because of the wait.
 */
const REST_MS_MAX = 120_000;

/**
 * Compares both sides of every sale, again and again. The auditor tells and never repairs: a person has to
 * know.
 */
export class Auditor {
  readonly #deps: AuditorDeps;

  constructor(deps: AuditorDeps) {
    this.#deps = deps;
  }

  /** Runs until the signal aborts and the reading under way has ended. @throws InvariantError */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs, logger, metrics } = this.#deps;
    while (!signal.aborted) {
      try {
        await this.round(signal);
      } catch (error) {
        if (error instanceof InvariantError) throw error;
        // An engine that is away for one sale is away for the next.
        metrics.failures.inc();
        logger.warn({ err: error }, 'audit: a round ended early');
      }
      await clock.sleep(intervalMs, signal);
    }
  }

  /**
   * Judges one sale after another, so that the sums of a big one never run beside those of the next.
   * @throws as AuditReader.read, but for a broken lane; the sale it happened at comes last in the next round.
   */
  async round(signal: AbortSignal): Promise<void> {
    const { reader, orderClient, memory, metrics, clock, logger } = this.#deps;
    const saleIds = memory.list((await orderClient.listSales()).map(({ saleId }) => saleId));
    for (const saleId of saleIds.slice(0, ROUND_SALES_MAX)) {
      if (signal.aborted) return;
      memory.attempt(saleId);
      const startedAt = clock.now();
      try {
        memory.note(judge(await reader.read(saleId)));
        metrics.audits.inc();
      } catch (error) {
        // Only this sale cannot be judged. What keeps it from selling is told and mended elsewhere.
        if (!(error instanceof Error) || !isBrokenLane(error)) throw error;
        metrics.failures.inc();
        logger.warn({ err: error, saleId }, 'audit: a sale has what no script of ours wrote');
      } finally {
        // The rest also follows a reading that failed: a statement that Postgres ended at its time-out has
        // kept Postgres busy until then.
        const restMs = (clock.now() - startedAt) * (1 / SHARE_MAX - 1);
        await clock.sleep(Math.min(restMs, REST_MS_MAX), signal);
      }
    }
  }
}
