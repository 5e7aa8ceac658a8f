import { HEADERS, TOPICS, type Topic } from '@seckill/contracts';
import {
  backoffMs,
  invariant,
  InvariantError,
  type Clock,
  type Logger,
  type Publisher,
} from '@seckill/runtime';
import type { RelayMetrics } from './metrics.ts';
import type { OutboxMessage, OutboxStore } from './outbox.ts';

/** All I/O, time and chance come in here (D40). */
export interface RelayDeps {
  store: OutboxStore;
  publisher: Publisher;
  clock: Clock;
  logger: Logger;
  metrics: RelayMetrics;
  /** Messages in one transaction. */
  batchCountMax: number;
  /** How long a published message stays to be looked at. */
  keepSeconds: number;
  random?: () => number;
}

// Our own changes wake the relay. What another replica's `http` or `expiry` wrote is found by asking: after
// 20 ms while there is work, later every 200 ms, which is five reads of an empty index a second.
const IDLE_MIN_MS = 20;
const IDLE_MAX_MS = 200;
const BACKOFF = { baseMs: 100, capMs: 5_000 };
const TEND_EVERY_MS = 5_000;
/** A delete of this many rows takes some milliseconds and keeps nobody waiting. */
const REMOVE_COUNT_MAX = 1_000;
/** Per round: 20,000 rows in 5 s is more than a sale can write. */
const REMOVE_ROUNDS_MAX = 20;

const TOPIC_BY_NAME = new Map(Object.values<Topic>(TOPICS).map((topic) => [topic.name, topic]));

/**
 * Brings the outbox to Kafka, at least once (D3). A message is marked only when Kafka confirmed it (D6).
 * Several may run.
 */
export class Relay {
  readonly #deps: RelayDeps;
  #wakeUp = new AbortController();
  #tendAt = Number.NEGATIVE_INFINITY;

  constructor(deps: RelayDeps) {
    this.#deps = deps;
  }

  /** There is something to publish. */
  wake(): void {
    this.#wakeUp.abort();
  }

  /**
   * Runs until the signal aborts and the batch under way is done. While Kafka or Postgres is away it
   * repeats, for ever, because giving up would keep units from being sold (INV-5). The gauges tell how
   * long it lasts.
   * @throws InvariantError
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, metrics, batchCountMax, random } = this.#deps;
    let idleMs = IDLE_MIN_MS;
    let failures = 0;
    while (!signal.aborted) {
      this.#wakeUp = new AbortController();
      let pauseMs = idleMs;
      try {
        // The gauges come first, so they also tell how long Kafka is away.
        await this.#tend();
        const published = await this.pass();
        failures = 0;
        idleMs = published > 0 ? IDLE_MIN_MS : Math.min(IDLE_MAX_MS, idleMs * 2);
        if (published >= batchCountMax) continue;
      } catch (error) {
        if (error instanceof InvariantError) throw error;
        metrics.relayFailures.inc();
        logger.warn({ err: error, failures }, 'relay: pass failed');
        pauseMs = backoffMs(failures, { ...BACKOFF, ...(random === undefined ? {} : { random }) });
        failures += 1;
        // Waking would not bring Kafka back.
        await clock.sleep(pauseMs, signal);
        continue;
      }
      await clock.sleep(pauseMs, AbortSignal.any([signal, this.#wakeUp.signal]));
    }
  }

  /** One batch. @returns how many messages Kafka confirmed. */
  async pass(): Promise<number> {
    const { store, publisher, metrics, batchCountMax } = this.#deps;
    const published = await store.publishNext(batchCountMax, async (messages) => {
      for (const { topic, kind, group } of groupMessages(messages)) {
        await publisher.publish(topic, kind, group);
      }
    });
    metrics.relayMessages.inc(published);
    return published;
  }

  /** What may wait: the gauges, and messages that nobody needs any more. */
  async #tend(): Promise<void> {
    const { store, clock, metrics, keepSeconds } = this.#deps;
    if (clock.now() < this.#tendAt) return;
    this.#tendAt = clock.now() + TEND_EVERY_MS;
    const { unpublished, oldestSeconds, waitingNotices, keptNotices, dueRefunds } = await store.readBacklog();
    metrics.outboxMessages.set(unpublished);
    metrics.outboxOldestSeconds.set(oldestSeconds);
    metrics.waitingNotices.set(waitingNotices);
    metrics.keptNotices.set(keptNotices);
    metrics.dueRefunds.set(dueRefunds.reduce((sum, { count }) => sum + count, 0));
    metrics.dueRefundsAmount.reset();
    for (const { currency, amount } of dueRefunds) metrics.dueRefundsAmount.set({ currency }, amount);
    for (let round = 0; round < REMOVE_ROUNDS_MAX; round += 1) {
      const removed = await store.removePublished(keepSeconds, REMOVE_COUNT_MAX);
      if (removed < REMOVE_COUNT_MAX) return;
    }
  }
}

interface Group {
  topic: Topic;
  kind: { type: string; version: string };
  group: OutboxMessage[];
}

/** One call of the publisher per topic and kind of message; there is one of each today. */
function groupMessages(messages: OutboxMessage[]): Group[] {
  const groups = new Map<string, Group>();
  for (const message of messages) {
    const topic = TOPIC_BY_NAME.get(message.topic);
    const type = message.headers[HEADERS.type];
    const version = message.headers[HEADERS.version];
    invariant(
      topic !== undefined && type !== undefined && version !== undefined,
      `the outbox holds a message for ${message.topic} that nobody can publish`,
    );
    const name = `${topic.name} ${type} ${version}`;
    const found = groups.get(name) ?? { topic, kind: { type, version }, group: [] };
    found.group.push(message);
    groups.set(name, found);
  }
  return [...groups.values()];
}
