import {
  ANNOUNCED_USERS_MAX,
  fnv1a,
  statesChannel,
  type Announcement,
  type ReserveAnswer,
} from '@seckill/contracts';
import type { Clock, Logger } from '@seckill/runtime';
import type { Connections } from '../redis/connections.ts';
import { readLaneState, type LaneState } from '../redis/lane-state.ts';
import { formatLane, type Lane } from '../redis/keys.ts';
import type { AnnouncerMetrics } from './metrics.ts';
import type { HoldRecord } from '../redis/hold-record.ts';

export interface AnnouncerDeps {
  connections: Pick<Connections, 'find'>;
  lanes: () => Promise<Lane[]>;
  clock: Clock;
  logger: Logger;
  metrics: AnnouncerMetrics;
}

const TICK_MS = 250;
/**
 * The pause between two announcements of a lane. What changes in between goes with the next one, at most 40 a
 * second.
 */
const PAUSE_MS = 25;
/** A lane that has been over for a minute is announced every 10 s only: nobody is waiting for it any more. */
const OVER_MS = 60_000;
const OVER_TICKS = 40;
/**
 * The most users of a lane that are kept while Redis takes no announcements. What is dropped beyond this
 * number shows as a gap, and a gateway asks for the whole.
 */
const USERS_KEPT_MAX = 5 * ANNOUNCED_USERS_MAX;

/** What is to be announced of one lane. */
interface Pending {
  lane: Lane;
  /** Who reserved through this process and was not announced yet. */
  users: { epoch: number; sequence: number; hash: number }[];
  /** The state as it was announced last. */
  last?: LaneState;
  announcedAt: number;
  /**
   * An announcement that is under way or due. A change meanwhile sets `isDirty` and makes another one follow.
   */
  running?: Promise<void>;
  isDirty: boolean;
}

/**
 * Tells gateways what they may answer by themselves (docs/recovery.md). Each lane is announced every 250 ms,
 * and soon after an answer that contradicts what was told last. Every process of the role `http` announces,
 * because each knows only its own users.
 */
export class Announcer {
  readonly #deps: AnnouncerDeps;
  readonly #pending = new Map<string, Pending>();
  /** The lanes as they were listed last. The node that keeps the list may be away while others sell. */
  #lanes: Lane[] = [];
  #isFailing = false;

  constructor(deps: AnnouncerDeps) {
    this.#deps = deps;
  }

  /** Looks at each answer, and at the record of a new reservation. */
  observe(lane: Lane, answer: ReserveAnswer, record?: HoldRecord): void {
    if (record !== undefined) {
      const { epoch, sequence, userId, lines } = record;
      const pending = this.#pendingOf(lane);
      if (pending.users.length < USERS_KEPT_MAX) pending.users.push({ epoch, sequence, hash: fnv1a(userId) });
      // Units that came back are being bought: who was told "sold out" a moment ago may have them too.
      if (lines.some(({ sku }) => availableOf(pending, sku) === 0)) this.announce(lane);
    } else if (answer.outcome === 'sold_out') {
      if (availableOf(this.#pendingOf(lane), answer.sku) !== answer.available) this.announce(lane);
    }
  }

  /** Announces the lane soon, together with what else changes until then. */
  announce(lane: Lane): void {
    const pending = this.#pendingOf(lane);
    pending.isDirty = true;
    pending.running ??= this.#announceAll(pending);
  }

  /**
   * Runs until the signal aborts, and announces once more then, so that nobody who reserved here stays
   * unknown.
   */
  async run(signal: AbortSignal): Promise<void> {
    for (let tick = 0; !signal.aborted; tick += 1) {
      await this.#tick(tick);
      await this.#deps.clock.sleep(TICK_MS, signal);
    }
    for (const { lane, users } of this.#pending.values()) if (users.length > 0) this.announce(lane);
    for (const { running } of this.#pending.values()) await running;
  }

  async #tick(tick: number): Promise<void> {
    try {
      this.#lanes = await this.#deps.lanes();
      const names = new Set(this.#lanes.map(formatLane));
      // Such a lane was retired. A lane that is just being created has users only once it is on the list.
      for (const [name, { users }] of this.#pending)
        if (!names.has(name) && users.length === 0) this.#pending.delete(name);
    } catch (error) {
      this.#fail(error);
    }
    for (const lane of this.#lanes) {
      if (!isLongOver(this.#pendingOf(lane).last) || tick % OVER_TICKS === 0) this.announce(lane);
    }
  }

  #pendingOf(lane: Lane): Pending {
    const name = formatLane(lane);
    const known = this.#pending.get(name);
    if (known !== undefined) return known;
    const pending: Pending = { lane, users: [], announcedAt: Number.NEGATIVE_INFINITY, isDirty: false };
    this.#pending.set(name, pending);
    return pending;
  }

  async #announceAll(pending: Pending): Promise<void> {
    const { clock } = this.#deps;
    while (pending.isDirty) {
      await clock.sleep(Math.max(0, pending.announcedAt + PAUSE_MS - clock.now()));
      pending.isDirty = false;
      pending.announcedAt = clock.now();
      try {
        await this.#announceOne(pending);
        this.#isFailing = false;
      } catch (error) {
        this.#fail(error);
      }
    }
    // This happens in the same tick as the last look at isDirty. A change in between would otherwise wait for
    // the next tick.
    delete pending.running;
  }

  async #announceOne(pending: Pending): Promise<void> {
    const { connections, metrics } = this.#deps;
    const connection = connections.find(pending.lane);
    if (connection?.runId === undefined) return;
    const { runId, redis, node } = connection;
    const state = await readLaneState(redis, runId, pending.lane);
    pending.last = state;
    // Users of an epoch that is over are dropped: whoever needs them asks for the whole.
    pending.users = pending.users.filter(({ epoch }) => epoch >= state.epoch);
    let told: Pending['users'];
    do {
      // Users are kept until Redis has them. Telling one twice does no harm.
      told = pending.users.filter(({ epoch }) => epoch === state.epoch).slice(0, ANNOUNCED_USERS_MAX);
      const users = told.flatMap(({ sequence, hash }) => [sequence, hash]);
      await redis.publish(
        statesChannel(node?.id),
        JSON.stringify(toAnnouncement(pending.lane, state, users)),
      );
      metrics.announcements.inc();
      const isTold = new Set(told);
      pending.users = pending.users.filter((user) => !isTold.has(user));
    } while (told.length === ANNOUNCED_USERS_MAX);
  }

  /** The gateways ask stock meanwhile. An outage makes one line, however long it lasts. */
  #fail(error: unknown): void {
    const { logger, metrics } = this.#deps;
    metrics.announcementFailures.inc();
    if (!this.#isFailing) logger.warn({ err: error }, 'states cannot be announced');
    this.#isFailing = true;
  }
}

function availableOf({ last }: Pending, sku: string): number | undefined {
  return last?.items.find((item) => item.sku === sku)?.available;
}

function isLongOver(last: LaneState | undefined): boolean {
  return last !== undefined && last.gate === 'open' && last.now >= last.closesAt + OVER_MS;
}

function toAnnouncement({ saleId, lane }: Lane, laneState: LaneState, users: number[]): Announcement {
  const { gate, epoch, version, sequence, now, state, opensAt, closesAt } = laneState;
  const items = laneState.items.map(({ sku, available, held }) => ({ sku, available, held }));
  return { saleId, lane, gate, epoch, version, sequence, now, state, opensAt, closesAt, items, users };
}
