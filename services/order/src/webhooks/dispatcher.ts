import { backoffMs, classifyPostgresError, type Clock, type Logger, type Tracing } from '@seckill/runtime';
import type { Claim, DeliveryStore } from './delivery-store.ts';
import type { WebhookMetrics } from './metrics.ts';
import { pauseSeconds } from './pauses.ts';
import type { Sender } from './sender.ts';

/** All I/O, time and chance come in here (D40). */
export interface DispatcherDeps {
  store: DeliveryStore;
  sender: Sender;
  clock: Clock;
  logger: Logger;
  metrics: WebhookMetrics;
  random?: () => number;
  tracing?: Tracing | undefined;
}

/**
 * Attempts at one endpoint at once, in one process. A receiver that hangs keeps these and no others waiting,
 * and one that answers within 20 ms takes 400 events a second.
 */
export const ATTEMPTS_PER_ENDPOINT = 8;
// An event may wait this long, because each look is one read of small indexes.
const IDLE_MIN_MS = 20;
const IDLE_MAX_MS = 250;
const SALES_EVERY_MS = 1_000;
const TEND_EVERY_MS = 5_000;
/** Rows of one statement, which takes some milliseconds, and statements of one look. */
const TEND_COUNT_MAX = 1_000;
const TEND_ROUNDS_MAX = 20;
const BACKOFF = { baseMs: 100, capMs: 5_000 };

/** Tells endpoints what happened, at least once. Several may run. */
export class Dispatcher {
  readonly #deps: DispatcherDeps;
  /** Attempts under way, by endpoint. */
  readonly #underWay = new Map<string, Set<Promise<void>>>();
  #salesAt = Number.NEGATIVE_INFINITY;
  #tendAt = Number.NEGATIVE_INFINITY;

  constructor(deps: DispatcherDeps) {
    this.#deps = deps;
  }

  /**
   * Runs until the signal aborts; attempts that are under way then are broken off and given back. While
   * Postgres is away it waits.
   * @throws an error of our own (InvariantError, SQL), which must end the process.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, random } = this.#deps;
    let failures = 0;
    let idleMs = IDLE_MIN_MS;
    while (!signal.aborted) {
      let pauseMs: number;
      try {
        const taken = await this.pass(signal);
        failures = 0;
        idleMs = taken > 0 ? IDLE_MIN_MS : Math.min(IDLE_MAX_MS, idleMs * 2);
        pauseMs = idleMs;
      } catch (error) {
        if (classifyPostgresError(error) !== 'transient') throw error;
        logger.warn({ err: error, failures }, 'webhooks: postgres is away, waiting');
        pauseMs = backoffMs(failures, { ...BACKOFF, ...(random === undefined ? {} : { random }) });
        failures += 1;
      }
      await clock.sleep(pauseMs, signal);
    }
    await Promise.all([...this.#underWay.values()].flatMap((attempts) => [...attempts]));
  }

  /** Looks once at all endpoints and begins what they are due. @returns how many attempts. */
  async pass(signal: AbortSignal): Promise<number> {
    const { store, clock } = this.#deps;
    if (clock.now() >= this.#salesAt) {
      this.#salesAt = clock.now() + SALES_EVERY_MS;
      await store.tellSales();
    }
    await this.#tend();
    let taken = 0;
    for (const endpointId of await store.listDue()) {
      const attempts = this.#underWay.get(endpointId) ?? new Set();
      const free = ATTEMPTS_PER_ENDPOINT - attempts.size;
      if (free === 0) continue;
      this.#underWay.set(endpointId, attempts);
      for (const claim of await store.claim(endpointId, free)) {
        taken += 1;
        const attempt = this.#attempt(claim, signal).finally(() => {
          attempts.delete(attempt);
          if (attempts.size === 0) this.#underWay.delete(endpointId);
        });
        attempts.add(attempt);
      }
    }
    return taken;
  }

  /** Never throws: an attempt whose end could not be stored is made again when its lease is over. */
  async #attempt(claim: Claim, signal: AbortSignal): Promise<void> {
    const { store, sender, logger, metrics, random, tracing } = this.#deps;
    const { url, secrets, webhookId: id, at, body } = claim;
    const span =
      claim.traceparent === undefined
        ? undefined
        : tracing?.start('deliver webhook', {
            kind: 'client',
            parent: claim.traceparent,
            attributes: { 'seckill.webhook_attempt': claim.attempts },
          });
    const log = { endpointId: claim.endpointId, webhookId: id, attempt: claim.attempts };
    try {
      const outcome = await sender.send({ url, secrets, id, at, body }, signal);
      const result = await store.finish(claim, outcome, pauseSeconds(claim.attempts, random));
      metrics.webhookAttempts.inc({ result });
      if (outcome.status !== undefined) span?.set('http.response.status_code', outcome.status);
      span?.end(outcome.isDelivered ? undefined : (outcome.error ?? result));
      if (result === 'gone') logger.warn(log, 'webhooks: an endpoint answered 410 and is disabled');
      if (result === 'given_up') {
        logger.error(
          { ...log, ...outcome },
          'webhooks: an endpoint could not be told for three days, given up',
        );
      }
    } catch (error) {
      span?.end(error);
      if (!signal.aborted)
        logger.warn({ err: error, ...log }, 'webhooks: the end of an attempt is not stored');
      // Otherwise the rest of the lease is the pause: an end that cannot be stored is not tried in a circle.
      if (signal.aborted) await store.release(claim).catch(() => undefined);
    }
  }

  async #tend(): Promise<void> {
    const { store, clock, metrics } = this.#deps;
    if (clock.now() < this.#tendAt) return;
    this.#tendAt = clock.now() + TEND_EVERY_MS;
    const { pending, oldestSeconds } = await store.readBacklog();
    metrics.webhooksPending.set(pending);
    metrics.webhooksOldestSeconds.set(oldestSeconds);
    await repeat((limit) => store.giveUp(limit));
    await repeat((limit) => store.removeOld(limit));
  }
}

/** Works statement by statement, until nothing is left or enough was done for now. */
async function repeat(work: (limit: number) => Promise<number>): Promise<void> {
  for (let round = 0; round < TEND_ROUNDS_MAX; round += 1) {
    if ((await work(TEND_COUNT_MAX)) < TEND_COUNT_MAX) return;
  }
}
