import { createHash } from 'node:crypto';
import {
  ANNOUNCED_RESERVATIONS_MAX,
  CHANGES_CHANNEL,
  HEARTBEAT_MS,
  statesChannel,
  type Announcement,
  type Heartbeat,
  type ReserveAnswer,
} from '@seckill/contracts';
import {
  saltedKeyHash,
  systemClock,
  type Clock,
  type Logger,
  type RedisNode,
  type Registry,
} from '@seckill/runtime';
import type { Connection } from '../redis/connection.ts';
import type { Connections } from '../redis/connections.ts';
import { readLaneState, type LaneState } from '../redis/lane-state.ts';
import { formatLane, type Lane } from '../redis/keys.ts';
import { createAnnouncerMetrics, type AnnouncerMetrics } from './metrics.ts';
import type { HoldRecord } from '../redis/hold-record.ts';
import { isBrokenLane } from '../lane-content-error.ts';

export interface AnnouncerDeps {
  connections: Pick<Connections, 'find' | 'all'>;
  clock: Clock;
  logger: Logger;
  metrics: AnnouncerMetrics;
}

/**
 * The pause between two announcements of a lane. What changes in between goes with the next one, at most 40 a
 * second.
 */
const PAUSE_MS = 25;
/**
 * The pause where nobody was told anything that has become untrue: a lane that sells is announced four times
 * a second, and so is one that is asked for.
 */
const CALM_PAUSE_MS = 250;
/**
 * The most reservations of a lane that are kept while Redis takes no announcements. What is dropped beyond
 * this number shows as a gap, and a gateway asks for the whole.
 */
const RESERVATIONS_KEPT_MAX = 5 * ANNOUNCED_RESERVATIONS_MAX;
/** Lanes of which the last announcement is remembered. One that is forgotten is announced once in vain. */
const LANES_MAX = 10_000;

type Reserved = Pick<HoldRecord, 'epoch' | 'sequence' | 'userId' | 'idempotencyKey'>;

/** What a gateway answers by itself once it knows the lane. */
const REMEMBERED_OUTCOMES: ReadonlySet<ReserveAnswer['outcome']> = new Set([
  'sold_out',
  'item_paused',
  'sale_closed',
  'sale_paused',
  'sale_not_open',
]);

/** What is to be announced of one lane. */
interface Pending {
  lane: Lane;
  /** What was reserved through this process and was not announced yet. */
  reserved: Reserved[];
  /** The state as it was announced last. */
  last?: LaneState;
  announcedAt: number;
  /** When the next announcement is due. Undefined: none is. */
  dueAt?: number | undefined;
  /** Aborted when the next announcement has become due earlier. */
  sooner: AbortController;
  /** Makes what is due, until nothing is. */
  running?: Promise<void>;
}

/**
 * Tells gateways what they may answer by themselves (docs/recovery.md). A lane is announced when it changed
 * through this process, and when somebody asks stock about it whom a gateway could have answered. A lane that
 * nothing happens to is not announced. That nothing has happened is what the heartbeats tell, one for each
 * Redis, together with the changes that the scripts themselves tell (tellChange.lua).
 */
export class Announcer {
  readonly #deps: AnnouncerDeps;
  readonly #pending = new Map<string, Pending>();
  readonly #slots = new WeakMap<RedisNode, string>();
  #isFailing = false;
  /**
   * Lanes with reservations that Redis did not take. Those reservations are announced with the next
   * heartbeat.
   */
  readonly #unsent = new Set<Pending>();
  #onBroken: (lane: Lane, error: Error) => void = () => undefined;

  constructor(deps: AnnouncerDeps) {
    this.#deps = deps;
  }

  /** Has this called for a lane that cannot be announced for what stands in it. */
  listen(onBroken: (lane: Lane, error: Error) => void): void {
    this.#onBroken = onBroken;
  }

  /** Looks at each answer, and at the record of a new reservation. */
  observe(lane: Lane, answer: ReserveAnswer, record?: HoldRecord): void {
    if (record !== undefined) {
      this.observeTaken(lane, record);
    } else if (REMEMBERED_OUTCOMES.has(answer.outcome)) {
      const pending = this.#pendingOf(lane);
      const isUrgent = answer.outcome === 'sold_out' && availableOf(pending, answer.sku) !== answer.available;
      this.#schedule(pending, isUrgent ? PAUSE_MS : CALM_PAUSE_MS);
    }
  }

  /** Every sequence of a lane is announced, or gateways would take it for a gap. */
  observeTaken(lane: Lane, record: HoldRecord): void {
    const { epoch, sequence, userId, idempotencyKey, lines } = record;
    const pending = this.#pendingOf(lane);
    const { reserved } = pending;
    if (reserved.length < RESERVATIONS_KEPT_MAX) reserved.push({ epoch, sequence, userId, idempotencyKey });
    // Units that came back are being bought: who was told "sold out" a moment ago may have them too.
    const isUrgent = lines.some(({ sku }) => availableOf(pending, sku) === 0);
    this.#schedule(pending, isUrgent ? PAUSE_MS : CALM_PAUSE_MS);
  }

  /** Announces the lane soon, together with what else changes until then. */
  announce(lane: Lane): void {
    this.#schedule(this.#pendingOf(lane), PAUSE_MS);
  }

  /** Announces the lane because somebody asked about it, at most four times a second. */
  announceOnDemand(lane: Lane): void {
    this.#schedule(this.#pendingOf(lane), CALM_PAUSE_MS);
  }

  /**
   * Sends heartbeats until the signal aborts. Then announces once more, so that nobody who reserved here
   * stays unknown.
   */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await Promise.all(this.#deps.connections.all().map((connection) => this.#sendHeartbeat(connection)));
      for (const pending of this.#unsent) this.#schedule(pending, CALM_PAUSE_MS);
      this.#unsent.clear();
      await this.#deps.clock.sleep(HEARTBEAT_MS, signal);
    }
    for (const pending of this.#pending.values()) if (pending.reserved.length > 0) this.#schedule(pending, 0);
    for (const { running } of this.#pending.values()) await running;
  }

  async #sendHeartbeat(connection: Connection): Promise<void> {
    const { redis, runId, node } = connection;
    const now = connection.earliest(performance.now());
    // A process that does not know the Redis, or read its identity too long ago, vouches for nothing.
    if (runId === undefined || now === undefined) return;
    const heartbeat: Heartbeat = {
      now,
      salt: runId,
      ...(node === undefined ? {} : { node: node.id, slots: this.#slotsOf(node) }),
    };
    try {
      await redis.publish(CHANGES_CHANNEL, JSON.stringify(heartbeat));
    } catch (error) {
      this.#fail(error);
    }
  }

  #slotsOf(node: RedisNode): string {
    const known = this.#slots.get(node);
    if (known !== undefined) return known;
    const text = JSON.stringify([node.slots, [...node.moving].sort((left, right) => left - right)]);
    const slots = createHash('sha256').update(text).digest('base64url');
    this.#slots.set(node, slots);
    return slots;
  }

  #pendingOf(lane: Lane): Pending {
    const name = formatLane(lane);
    const known = this.#pending.get(name);
    if (known !== undefined) return known;
    if (this.#pending.size >= LANES_MAX) this.#forgetOne();
    const pending: Pending = {
      lane,
      reserved: [],
      announcedAt: Number.NEGATIVE_INFINITY,
      sooner: new AbortController(),
    };
    this.#pending.set(name, pending);
    return pending;
  }

  /** The lane that came first among those with nothing to announce. */
  #forgetOne(): void {
    for (const [name, { running, reserved }] of this.#pending) {
      if (running !== undefined || reserved.length > 0) continue;
      this.#pending.delete(name);
      return;
    }
  }

  #schedule(pending: Pending, pauseMs: number): void {
    const dueAt = Math.max(pending.announcedAt + pauseMs, this.#deps.clock.now());
    if (pending.dueAt === undefined || dueAt < pending.dueAt) {
      pending.dueAt = dueAt;
      pending.sooner.abort();
    }
    pending.running ??= this.#announceAll(pending);
  }

  async #announceAll(pending: Pending): Promise<void> {
    const { clock } = this.#deps;
    while (pending.dueAt !== undefined) {
      const waitMs = pending.dueAt - clock.now();
      if (waitMs > 0) {
        pending.sooner = new AbortController();
        await clock.sleep(waitMs, pending.sooner.signal);
        continue;
      }
      pending.dueAt = undefined;
      pending.announcedAt = clock.now();
      try {
        await this.#announceOne(pending);
        this.#isFailing = false;
      } catch (error) {
        this.#fail(error);
        if (error instanceof Error && isBrokenLane(error)) this.#onBroken(pending.lane, error);
      }
      // Redis did not take them. Anything else that was not told is announced when somebody asks.
      if (pending.reserved.length > 0) this.#unsent.add(pending);
    }
    // This happens in the same tick as the last look at dueAt. A change in between would otherwise wait for
    // the next one.
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
      // Reservations are kept until Redis has them. Telling one twice does no harm.
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

/** One for all roles of a process. The announcer's `run` belongs to the role `http`. */
export function createAnnouncer(deps: {
  connections: Connections;
  clock?: Clock;
  logger: Logger;
  registry: Registry;
}): Announcer {
  const { connections, clock = systemClock, logger, registry } = deps;
  const metrics = createAnnouncerMetrics(registry);
  return new Announcer({ connections, clock, logger, metrics });
}

function availableOf({ last }: Pending, sku: string): number | undefined {
  return last?.items.find((item) => item.sku === sku)?.available;
}

/** The salt is the identity of the Redis: whoever announces an open lane knows it, and no buyer does. */
function toAnnouncement(
  { saleId, lane }: Lane,
  laneState: LaneState,
  salt: string,
  reserved: Reserved[],
): Announcement {
  const { gate, epoch, version, sequence, now, state, opensAt, closesAt } = laneState;
  const { limitPerBuyer, capMin, kits } = laneState;
  const limits = {
    ...(limitPerBuyer === undefined ? {} : { limitPerBuyer }),
    ...(capMin === undefined ? {} : { capMin }),
  };
  const items = laneState.items.map(({ paid: _paid, ...item }) => item);
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
    ...(kits === undefined ? {} : { kits }),
    salt,
    reservations,
  };
}
