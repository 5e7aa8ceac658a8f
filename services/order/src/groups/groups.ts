import {
  backoffMs,
  classifyPostgresError,
  InvariantError,
  UpstreamError,
  type Clock,
  type Logger,
} from '@seckill/runtime';
import { report } from '../payments/payments.ts';
import { StockError, type StockClient } from '../stock-client.ts';
import type { ClosedLane, Decided, Group, GroupStore } from './group-store.ts';
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
/** Sales and failed groups in one round. The next round goes on behind them. */
const SALES_MAX = 100;
/** A step holds the ledger's rows while it lasts, and the intake waits for them: about 50 ms. */
const STEP_COUNT_MAX = 500;
/**
 * All sales share the outbox, and it is sent in order. A failed group adds nothing while so many messages
 * wait, or units of other sales would come back late (INV-5).
 */
const OUTBOX_COUNT_MAX = 1_000;
const ROOM_POLL_MS = 20;
/** What is damaged is looked at again in case a person has mended it. */
const DAMAGED_MS = 60_000;
const BACKOFF = { baseMs: 100, capMs: 2_000 };

/**
 * Decides group purchases once their sale has closed, and ends the orders of those that failed (D81). All
 * that is known stands in Postgres, so this goes on after a restart. Every replica looks; each decision and
 * each step is one transaction, which one of them makes.
 */
export class Groups {
  readonly #deps: GroupsDeps;
  #after = '';
  /** By sale, why stock cannot tell, since all sales were looked at, and before that. */
  #untold = new Map<string, string>();
  #untoldBefore = new Map<string, string>();
  /** By failed group, how far this process has gone through its orders. */
  readonly #places = new Map<string, Place>();
  /** When what cannot be decided or ended is looked at again, by sale or group. */
  readonly #damaged = new Map<string, number>();

  constructor(deps: GroupsDeps) {
    this.#deps = deps;
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
    const { store } = this.#deps;
    this.#forgetMended();
    try {
      await this.#decide(signal);
    } finally {
      await this.#measure();
      const failed = await store.listFailed(SALES_MAX);
      const names = new Set(failed.map(nameOf));
      for (const name of this.#places.keys()) if (!names.has(name)) this.#places.delete(name);
      for (const { isSealed, ...group } of failed) {
        await this.#guard(nameOf(group), group, () => this.#end({ ...group, isSealed }, signal));
      }
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
      await this.#guard(saleId, { saleId }, async () => {
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

  /**
   * A row that contradicts the rest is no proof of a bug of this process: a disk or a person may have written
   * it, and the next process would meet it again (D78). Its sale is left to a person, and the others go on.
   */
  async #guard(name: string, facts: object, work: () => Promise<void>): Promise<void> {
    const { clock, logger, metrics } = this.#deps;
    if ((this.#damaged.get(name) ?? Number.NEGATIVE_INFINITY) > clock.now()) return;
    try {
      await work();
      this.#damaged.delete(name);
    } catch (error) {
      if (!(error instanceof InvariantError) && classifyPostgresError(error) !== 'data') throw error;
      this.#damaged.set(name, clock.now() + DAMAGED_MS);
      logger.error({ err: error, ...facts }, 'groups: what is stored of a sale is damaged, its group waits');
    } finally {
      metrics.groupsDamaged.set(this.#damaged.size);
    }
  }

  /** What was due to be looked at again and was not is no group any more. */
  #forgetMended(): void {
    const { clock } = this.#deps;
    for (const [name, until] of this.#damaged) {
      if (until + DAMAGED_MS < clock.now()) this.#damaged.delete(name);
    }
  }

  /**
   * Goes through all orders of the group, as far as the outbox has room; the next round goes on from there.
   * Whoever began before the decision may have paid one meanwhile, so the group has ended when nobody of
   * before is left and nothing more was found.
   */
  async #end(group: Group & { isSealed: boolean }, signal: AbortSignal): Promise<void> {
    const { store, wake, metrics, logger } = this.#deps;
    const name = nameOf(group);
    const place = this.#places.get(name) ?? { found: 0, wasSealed: group.isSealed, after: undefined };
    this.#places.set(name, place);
    do {
      if (signal.aborted || !(await this.#hasRoom(signal))) return;
      const step = await store.endOrders(group, place.after, STEP_COUNT_MAX);
      if (step === undefined) return;
      const { expired, refunded } = step;
      if (expired + refunded > 0) wake();
      metrics.ordersEnded.inc({ verdict: 'expired' }, expired);
      metrics.refundsDue.inc({ reason: 'group_failed' }, refunded);
      place.found += expired + refunded;
      place.after = step.after;
      if (step.after === undefined) {
        const applied = await store.refundLateMoney(group);
        report(applied, { wake, logger, metrics });
        const isDone = place.wasSealed && place.found + applied.length === 0;
        this.#places.delete(name);
        if (!isDone) return;
        await store.finish(group);
        logger.info({ saleId: group.saleId, channelId: group.channelId }, 'groups: all orders have ended');
      }
    } while (place.after !== undefined);
  }

  /** Waits for a round at most, so that other groups are decided meanwhile. */
  async #hasRoom(signal: AbortSignal): Promise<boolean> {
    const { store, clock } = this.#deps;
    for (let waitedMs = 0; waitedMs < ROUND_MS; waitedMs += ROOM_POLL_MS) {
      if (!(await store.isOutboxLong(OUTBOX_COUNT_MAX))) return true;
      await clock.sleep(ROOM_POLL_MS, signal);
    }
    return false;
  }
}

/** How far one walk through the orders of a failed group has come. */
interface Place {
  after: string | undefined;
  /** Orders that this walk ended. */
  found: number;
  /** When this walk began, nobody could join the group any more. */
  wasSealed: boolean;
}

const nameOf = ({ saleId, channelId }: Group): string => `${saleId}/${channelId}`;
