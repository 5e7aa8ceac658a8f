import {
  ANNOUNCED_RESERVATIONS_MAX,
  statesChannel,
  type Announcement,
  type ReserveAnswer,
} from '@seckill/contracts';
import { saltedKeyHash, systemClock, type Clock, type Logger, type Registry } from '@seckill/runtime';
import type { Connections } from '../redis/connections.ts';
import { readLaneState, type LaneState } from '../redis/lane-state.ts';
import { formatLane, type Lane } from '../redis/keys.ts';
import { listLanes } from '../redis/lane-registry.ts';
import { createAnnouncerMetrics, type AnnouncerMetrics } from './metrics.ts';
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
 * The most reservations of a lane that are kept while Redis takes no announcements. What is dropped beyond
 * this number shows as a gap, and a gateway asks for the whole.
 */
const RESERVATIONS_KEPT_MAX = 5 * ANNOUNCED_RESERVATIONS_MAX;

type Reserved = Pick<HoldRecord, 'epoch' | 'sequence' | 'userId' | 'idempotencyKey'>;

/** What is to be announced of one lane. */
interface Pending {
  lane: Lane;
  /** What was reserved through this process and was not announced yet. */
  reserved: Reserved[];
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
 * because each knows only its own reservations. The settler announces units that came back.
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
      const { epoch, sequence, userId, idempotencyKey, lines } = record;
      const pending = this.#pendingOf(lane);
      const { reserved } = pending;
      if (reserved.length < RESERVATIONS_KEPT_MAX) reserved.push({ epoch, sequence, userId, idempotencyKey });
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
    for (const { lane, reserved } of this.#pending.values()) if (reserved.length > 0) this.announce(lane);
    for (const { running } of this.#pending.values()) await running;
  }

  async #tick(tick: number): Promise<void> {
    try {
      this.#lanes = await this.#deps.lanes();
      const names = new Set(this.#lanes.map(formatLane));
      // Such a lane was retired. A lane that is just being created has reservations only once it is listed.
      for (const [name, { reserved }] of this.#pending)
        if (!names.has(name) && reserved.length === 0) this.#pending.delete(name);
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
    const pending: Pending = { lane, reserved: [], announcedAt: Number.NEGATIVE_INFINITY, isDirty: false };
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
    // Reservations of an epoch that is over are dropped: whoever needs them asks for the whole.
    pending.reserved = pending.reserved.filter(({ epoch }) => epoch >= state.epoch);
    let told: Reserved[];
    do {
      // They are kept until Redis has them. Telling one twice does no harm.
      told = pending.reserved
        .filter(({ epoch }) => epoch === state.epoch)
        .slice(0, ANNOUNCED_RESERVATIONS_MAX);
      await redis.publish(
        statesChannel(node?.id),
        JSON.stringify(toAnnouncement(pending.lane, state, runId, told)),
      );
      metrics.announcements.inc();
      const isTold = new Set(told);
      pending.reserved = pending.reserved.filter((one) => !isTold.has(one));
    } while (told.length === ANNOUNCED_RESERVATIONS_MAX);
  }

  /** The gateways ask stock meanwhile. An outage makes one line, however long it lasts. */
  #fail(error: unknown): void {
    const { logger, metrics } = this.#deps;
    metrics.announcementFailures.inc();
    if (!this.#isFailing) logger.warn({ err: error }, 'states cannot be announced');
    this.#isFailing = true;
  }
}

/** One for all roles of a process. Its `run` belongs to the role `http`. */
export function createAnnouncer(deps: {
  connections: Connections;
  clock?: Clock;
  logger: Logger;
  registry: Registry;
}): Announcer {
  const { connections, clock = systemClock, logger, registry } = deps;
  const metrics = createAnnouncerMetrics(registry);
  return new Announcer({ connections, lanes: () => listLanes(connections), clock, logger, metrics });
}

function availableOf({ last }: Pending, sku: string): number | undefined {
  return last?.items.find((item) => item.sku === sku)?.available;
}

function isLongOver(last: LaneState | undefined): boolean {
  return last !== undefined && last.gate === 'open' && last.now >= last.closesAt + OVER_MS;
}

/** The salt is the identity of the Redis: whoever announces an open lane knows it, and no buyer does. */
function toAnnouncement(
  { saleId, lane }: Lane,
  laneState: LaneState,
  salt: string,
  reserved: Reserved[],
): Announcement {
  const { gate, epoch, version, sequence, now, state, opensAt, closesAt } = laneState;
  const { limitPerBuyer, capMin } = laneState;
  const limits = {
    ...(limitPerBuyer === undefined ? {} : { limitPerBuyer }),
    ...(capMin === undefined ? {} : { capMin }),
  };
  const items = laneState.items.map(({ sku, total, available, held }) => ({ sku, total, available, held }));
  const reservations = reserved.flatMap(({ sequence, userId, idempotencyKey }) => [
    sequence,
    saltedKeyHash(salt, userId, idempotencyKey),
  ]);
  const window = { state, opensAt, closesAt };
  return {
    saleId,
    lane,
    gate,
    epoch,
    version,
    sequence,
    now,
    ...window,
    ...limits,
    items,
    salt,
    reservations,
  };
}
