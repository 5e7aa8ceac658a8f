import type { Clock, Logger } from '@seckill/runtime';
import { report } from '../payments/payments.ts';
import type { Damage } from './damage.ts';
import type { Group, GroupStore } from './group-store.ts';
import type { GroupMetrics } from './metrics.ts';

export interface FailedGroupsDeps {
  store: GroupStore;
  /** Tells the relay that there is something to publish. */
  wake: () => void;
  clock: Clock;
  logger: Logger;
  metrics: GroupMetrics;
  damage: Damage;
}

/** Groups in one pass. The next pass goes on behind them, so that none is hidden by what waits before it. */
const GROUPS_MAX = 100;
const FIRST: Group = { saleId: '', channelId: '' };
/** A step holds the ledger's rows while it lasts, and the intake waits for them: about 50 ms. */
const STEP_COUNT_MAX = 500;
/**
 * All sales share the outbox, and it is sent in order. A failed group adds nothing while so many messages
 * wait, or units of other sales would come back late (INV-5).
 */
const OUTBOX_COUNT_MAX = 1_000;
const ROOM_POLL_MS = 20;
/** A pass waits this long for room, so that other groups are decided meanwhile. */
const ROOM_WAIT_MS = 500;

/** Ends the orders of the groups that failed, some groups a pass, round and round. */
export class FailedGroups {
  readonly #deps: FailedGroupsDeps;
  /** The group that was looked at last. */
  #after = FIRST;
  /** How far this process has gone through the orders of each group. */
  readonly #walks = new Map<string, Walk>();
  /** Groups that this round has met. */
  #met = new Set<string>();

  constructor(deps: FailedGroupsDeps) {
    this.#deps = deps;
  }

  /** Whatever stops it, the next pass begins behind the group that did: none is in the way of others. */
  async pass(signal: AbortSignal): Promise<void> {
    const failed = await this.#listNext();
    for (const { isSealed, ...group } of failed) {
      if (signal.aborted) return;
      const name = nameOf(group);
      this.#after = group;
      this.#met.add(name);
      const hasRoom = await this.#deps.damage.guard(name, group, () =>
        this.#end({ ...group, isSealed }, signal),
      );
      // Every other group would wait for the same room.
      if (hasRoom === false) return;
    }
    if (failed.length < GROUPS_MAX) this.#finishRound();
  }

  async #listNext(): ReturnType<GroupStore['listFailed']> {
    const { store } = this.#deps;
    const failed = await store.listFailed(this.#after, GROUPS_MAX);
    if (failed.length > 0 || this.#after === FIRST) return failed;
    this.#finishRound();
    return store.listFailed(FIRST, GROUPS_MAX);
  }

  #finishRound(): void {
    this.#after = FIRST;
    for (const name of this.#walks.keys()) if (!this.#met.has(name)) this.#walks.delete(name);
    this.#met = new Set();
  }

  /**
   * Goes through all orders of the group, as far as the outbox has room; the next round goes on from there.
   * Whoever began before the decision may have paid one meanwhile, so the group has ended when nobody of
   * before is left and nothing more was found.
   * @returns whether the outbox had room.
   */
  async #end(group: Group & { isSealed: boolean }, signal: AbortSignal): Promise<boolean> {
    const { store, wake, metrics, logger } = this.#deps;
    const name = nameOf(group);
    const walk = this.#walks.get(name) ?? { found: 0, wasSealed: group.isSealed, after: undefined };
    this.#walks.set(name, walk);
    do {
      if (signal.aborted || !(await this.#hasRoom(signal))) return false;
      const step = await store.endOrders(group, walk.after, STEP_COUNT_MAX);
      if (step === undefined) return true;
      const { expired, refunded } = step;
      if (expired + refunded > 0) wake();
      metrics.ordersEnded.inc({ verdict: 'expired' }, expired);
      metrics.refundsDue.inc({ reason: 'group_failed' }, refunded);
      walk.found += expired + refunded;
      walk.after = step.after;
      if (step.after === undefined) {
        const applied = await store.refundLateMoney(group);
        report(applied, { wake, logger, metrics });
        const isDone = walk.wasSealed && walk.found + applied.length === 0;
        this.#walks.delete(name);
        if (!isDone) return true;
        await store.finish(group);
        logger.info({ saleId: group.saleId, channelId: group.channelId }, 'groups: all orders have ended');
      }
    } while (walk.after !== undefined);
    return true;
  }

  async #hasRoom(signal: AbortSignal): Promise<boolean> {
    const { store, clock } = this.#deps;
    for (let waitedMs = 0; waitedMs < ROOM_WAIT_MS; waitedMs += ROOM_POLL_MS) {
      if (!(await store.isOutboxLong(OUTBOX_COUNT_MAX))) return true;
      await clock.sleep(ROOM_POLL_MS, signal);
    }
    return false;
  }
}

/** How far one walk through the orders of a failed group has come. */
interface Walk {
  after: string | undefined;
  /** Orders that this walk ended. */
  found: number;
  /** When this walk began, nobody could join the group any more. */
  wasSealed: boolean;
}

const nameOf = ({ saleId, channelId }: Group): string => `${saleId}/${channelId}`;
