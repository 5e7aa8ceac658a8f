import { RESERVATION_CREATED, TOPICS } from '@seckill/contracts';
import {
  backoffMs,
  invariant,
  InvariantError,
  type Clock,
  type Logger,
  type OutgoingMessage,
  type Publisher,
  splitByBytes,
} from '@seckill/runtime';
import { isBrokenLane, LaneContentError } from '../lane-content-error.ts';
import { parseRecord } from '../redis/hold-record.ts';
import { formatLane, type Lane } from '../redis/keys.ts';
import type { LaneGauges } from './lane-gauges.ts';
import type { RelayMetrics } from './metrics.ts';
import type { Outbox, OutboxEntry, OutboxReading } from './outbox.ts';
import { toMessage } from './reservation-message.ts';
import { publishUnreadable, type UnreadableEntry } from './unreadable-entry.ts';

/**
 * All I/O, time and chance come in here, so that a test can run this file with engines that misbehave (D40).
 */
export interface LaneRelayDeps {
  outbox: Outbox;
  publisher: Publisher;
  clock: Clock;
  random: () => number;
  logger: Logger;
  metrics: RelayMetrics;
  gauges: Pick<LaneGauges, 'begin' | 'sleep' | 'drop'>;
  /** A token that is ours alone: two relays with one token would both believe they hold the lease. */
  token: string;
  leaseMs: number;
  batchCountMax: number;
  /** What else is done for a lane that has holds or entries, by the relay that has its lease. */
  chores: Chore[];
}

export interface Chore {
  name: string;
  everyMs: number;
  /**
   * Called once per lane. @returns the work itself, which is short and is repeated when it throws. The work
   * tells whether it is through for now.
   */
  prepare: (lane: Lane) => () => Promise<boolean>;
}

/**
 * `full`: there may be more. `published`: all that waited is published. `empty`: nothing waits. `leased`:
 * another relay serves the lane.
 */
export type RelayPass = 'full' | 'published' | 'empty' | 'leased';

// The outbox of a lane that is awake is asked after 10 ms, later every 200 ms: an order reaches Postgres
// within a second. A lane that has been empty for 2 s goes to sleep, and costs nothing until its next
// reservation.
const IDLE_MIN_MS = 10;
const IDLE_MAX_MS = 200;
const AWAKE_MS = 2_000;
/**
 * The time between the starts of two passes that were not full. A pass costs Redis a write, Kafka a flush for
 * each partition and the intake a transaction, whatever it carries. An order is due in Postgres within a
 * second. Compared with 100 ms, this gives 15 % more reservations a second for 9 % less CPU each (medians of
 * six pairs at saturation), and a p99 of 360 ms until the row is there instead of 280.
 */
const PACE_MS = 250;
/**
 * Ids that a relay remembers of entries that it has dead-lettered. With more the relay forgets them all, and
 * an entry that cannot be trimmed becomes a dead letter a second time.
 */
const DEAD_LETTERED_MAX = 10_000;
const BACKOFF = { baseMs: 100, capMs: 5_000 };
const CHORE_RETRY_MS = 1_000;

/** Brings the outbox of one lane to Kafka, pass by pass. */
export class LaneRelay {
  readonly #deps: LaneRelayDeps;
  readonly #lane: Lane;
  /**
   * When the lease was taken last, by the local clock. The lease may be lost earlier, and trim.lua finds that
   * out.
   */
  #leasedAt = Number.NEGATIVE_INFINITY;
  readonly #chores: {
    name: string;
    everyMs: number;
    work: () => Promise<boolean>;
    dueAt: number;
    isThrough: boolean;
  }[];
  /** Ids of entries that this relay has dead-lettered. */
  readonly #deadLettered = new Set<string>();
  #isWoken = false;
  #wakeUp = new AbortController();

  constructor(deps: LaneRelayDeps, lane: Lane) {
    this.#deps = deps;
    this.#lane = lane;
    this.#chores = deps.chores.map(({ name, everyMs, prepare }) => ({
      name,
      everyMs,
      work: prepare(lane),
      dueAt: Number.NEGATIVE_INFINITY,
      isThrough: false,
    }));
  }

  /** New entries were told of, and no pass has looked since. */
  get isWoken(): boolean {
    return this.#isWoken;
  }

  wake(): void {
    this.#isWoken = true;
    this.#wakeUp.abort();
  }

  /** Ends when the signal aborts, or when nothing was to be done for a while. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, metrics, gauges, random } = this.#deps;
    let idleMs = IDLE_MIN_MS;
    let failures = 0;
    let busyAt = clock.now();
    while (!signal.aborted) {
      const startedAt = clock.now();
      if (this.#isWoken) {
        this.#isWoken = false;
        busyAt = startedAt;
        idleMs = IDLE_MIN_MS;
      }
      try {
        const pass = await this.pass();
        failures = 0;
        // The relay that has the lease tells of the lane, and no other.
        if (pass === 'leased') gauges.drop(this.#lane);
        else {
          gauges.begin(this.#lane);
          await this.#doChores();
        }
        if (pass === 'full') continue;
        if (pass === 'published') {
          idleMs = IDLE_MIN_MS;
          busyAt = clock.now();
          await clock.sleep(Math.max(0, startedAt + PACE_MS - clock.now()), signal);
          continue;
        }
        if (await this.#isOver(pass, busyAt)) break;
        if (pass === 'leased') {
          await clock.sleep(this.#deps.leaseMs / 2, signal);
          continue;
        }
        this.#wakeUp = new AbortController();
        if (!this.isWoken) await clock.sleep(idleMs, AbortSignal.any([signal, this.#wakeUp.signal]));
        idleMs = Math.min(IDLE_MAX_MS, idleMs * 2);
      } catch (error) {
        if (error instanceof InvariantError) throw error;
        // The pass is repeated for ever: giving up would strand promised orders (INV-2). The gauges tell how
        // long it lasts.
        metrics.failures.inc();
        logger.warn({ err: error, ...this.#lane, failures }, 'relay pass failed');
        await clock.sleep(backoffMs(failures, { ...BACKOFF, random }), signal);
        failures += 1;
      }
    }
    await this.#release();
    gauges.sleep(this.#lane);
  }

  /**
   * Whether the lane may go to sleep. Where another relay has the lease, it may when that one has published
   * everything. If that one dies with entries, they wait for us.
   */
  async #isOver(pass: 'empty' | 'leased', busyAt: number): Promise<boolean> {
    const { clock, outbox } = this.#deps;
    if (clock.now() - busyAt < AWAKE_MS) return false;
    const isThrough =
      pass === 'leased'
        ? (await outbox.length(this.#lane)) === 0
        : this.#chores.every((chore) => chore.isThrough);
    return isThrough && !this.#isWoken;
  }

  /** A chore that fails waits, and delays no order. */
  async #doChores(): Promise<void> {
    const { clock, logger, metrics } = this.#deps;
    for (const chore of this.#chores) {
      if (clock.now() < chore.dueAt) continue;
      try {
        if (await chore.work()) chore.isThrough = true;
        chore.dueAt = clock.now() + chore.everyMs;
      } catch (error) {
        if (error instanceof InvariantError) throw error;
        metrics.failures.inc();
        logger.warn({ err: error, ...this.#lane, chore: chore.name }, 'relay chore failed');
        chore.dueAt = clock.now() + Math.max(chore.everyMs, CHORE_RETRY_MS);
        // A chore fails on a broken lane until a person has mended it, and must not keep the lane awake.
        if (error instanceof Error && isBrokenLane(error)) chore.isThrough = true;
      }
    }
  }

  /** One pass: lease, read, publish, trim. What Kafka did not confirm stays (INV-2). */
  async pass(): Promise<RelayPass> {
    const { outbox, publisher, metrics, batchCountMax } = this.#deps;
    const lane = this.#lane;
    if (!(await this.#renew())) return 'leased';
    const reading = await outbox.read(lane, batchCountMax);
    this.#observe(reading);
    if (reading.entries.length === 0) return 'empty';
    const { readable, messages, unreadable } = this.#toMessages(reading.entries);
    await this.#deadLetter(unreadable);
    // With nothing to publish, all that was read is among the dead letters and may leave the outbox now.
    if (readable.length === 0 && !(await this.#trim(reading.entries.at(-1)))) return 'leased';
    let published = 0;
    for (const part of splitByBytes(messages)) {
      await publisher.publish(TOPICS.reservations, RESERVATION_CREATED, part);
      metrics.messages.inc(part.length);
      published += part.length;
      // What lies before the last of the readable ones is published, or a dead letter.
      const isAll = published === readable.length;
      const last = isAll ? reading.entries.at(-1) : readable[published - 1];
      if (!(await this.#trim(last))) return 'leased';
    }
    return reading.entries.length < batchCountMax ? 'published' : 'full';
  }

  /**
   * Publishes each unreadable entry as a dead letter, once. Our scripts did not write such an entry, so its
   * id may be one that cannot be trimmed. Every later pass reads it again then.
   */
  async #deadLetter(unreadable: UnreadableEntry[]): Promise<void> {
    const fresh = unreadable.filter(({ entry }) => !this.#deadLettered.has(entry.id));
    if (fresh.length === 0) return;
    for (const { entry, error } of fresh) {
      this.#deps.logger.error(
        { err: error, ...this.#lane, id: entry.id },
        'an entry of the outbox makes no message and becomes a dead letter',
      );
    }
    await publishUnreadable(this.#deps.publisher, this.#lane, fresh);
    if (this.#deadLettered.size > DEAD_LETTERED_MAX) this.#deadLettered.clear();
    for (const { entry } of fresh) this.#deadLettered.add(entry.id);
  }

  #toMessages(entries: OutboxEntry[]): {
    readable: OutboxEntry[];
    messages: OutgoingMessage[];
    unreadable: UnreadableEntry[];
  } {
    const readable: OutboxEntry[] = [];
    const messages: OutgoingMessage[] = [];
    const unreadable: UnreadableEntry[] = [];
    for (const entry of entries) {
      try {
        messages.push(toMessage(this.#lane, entry));
        readable.push(entry);
      } catch (error) {
        if (!(error instanceof LaneContentError)) throw error;
        unreadable.push({ entry, error });
      }
    }
    return { readable, messages, unreadable };
  }

  /** @returns false when the lease is another's now, and nothing was removed. */
  async #trim(last: OutboxEntry | undefined): Promise<boolean> {
    const { outbox, token } = this.#deps;
    invariant(last !== undefined, 'what is published was read');
    // A slow Kafka may have outlasted the lease. This relay takes the lease again unless another relay has it
    // now.
    if ((await this.#renew()) && (await outbox.trim(this.#lane, token, last.id))) return true;
    this.#leasedAt = Number.NEGATIVE_INFINITY;
    return false;
  }

  async #renew(): Promise<boolean> {
    const { outbox, clock, token, leaseMs } = this.#deps;
    // The lease is renewed after a third of its time, so two renewals may be lost before the lease is.
    if (clock.now() - this.#leasedAt < leaseMs / 3) return true;
    const askedAt = clock.now();
    const isOurs = await outbox.lease(this.#lane, token, leaseMs);
    this.#leasedAt = isOurs ? askedAt : Number.NEGATIVE_INFINITY;
    return isOurs;
  }

  async #release(): Promise<void> {
    try {
      await this.#deps.outbox.release(this.#lane, this.#deps.token);
    } catch (error) {
      // The lease ends by itself after leaseMs.
      this.#deps.logger.warn({ err: error, ...this.#lane }, 'lease was not given back');
    }
  }

  #observe({ entries, length, now }: OutboxReading): void {
    const { metrics } = this.#deps;
    const label = { lane: formatLane(this.#lane) };
    const [oldest] = entries;
    metrics.outboxEntries.set(label, length);
    metrics.outboxOldestSeconds.set(
      label,
      oldest === undefined ? 0 : Math.max(0, now - (oldest.retakenAt ?? reservedAtOf(oldest) ?? now)) / 1_000,
    );
  }
}

/** Undefined when the entry makes no message. */
function reservedAtOf({ record }: OutboxEntry): number | undefined {
  try {
    return parseRecord(record).reservedAt;
  } catch (error) {
    if (error instanceof LaneContentError) return undefined;
    throw error;
  }
}
