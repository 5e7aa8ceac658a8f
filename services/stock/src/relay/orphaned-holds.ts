import { HEADERS, RESERVATION_CREATED, TOPICS } from '@seckill/contracts';
import {
  InvariantError,
  type Logger,
  type OutgoingMessage,
  type Publisher,
  splitByBytes,
} from '@seckill/runtime';
import type { HoldPage, ReadHolds, StoredHold } from '../redis/holds.ts';
import type { Lane } from '../redis/keys.ts';
import { toOrphanMessage } from './reservation-message.ts';
import type { RelayMetrics } from './metrics.ts';
import { parseRecord } from '../redis/hold-record.ts';

export interface OrphanOptions {
  readHolds: ReadHolds;
  publisher: Publisher;
  logger: Logger;
  metrics: RelayMetrics;
  /** How long past its end a hold waits for its settlement; milliseconds. */
  graceMs: number;
  /** The same hold is published again at most once in this time; milliseconds. */
  republishMs: number;
}

const PAGE_HOLDS = 500;
/** Bounds memory and load when nothing is settled for a while: what is beyond it waits until the first may go again. */
const REMEMBERED_MAX = 10_000;

/**
 * Finds holds of one lane that nobody ended, and publishes them again (recovery.md, "Holds nobody ends"): a message
 * that Kafka lost, or that is parked in dead letters, would keep its units for ever. Order stores what it does not
 * know, and answers what has ended there with its settlement again.
 */
export class OrphanScan {
  readonly #options: OrphanOptions;
  readonly #lane: Lane;
  #cursor = '0';
  /** When each was published again, by Redis' clock; the oldest first. */
  readonly #published = new Map<string, number>();

  constructor(options: OrphanOptions, lane: Lane) {
    this.#options = options;
    this.#lane = lane;
  }

  /** One page of holds. @throws ioredis', kafkajs' or PublishError: the page is read again then. */
  async step(): Promise<void> {
    const { readHolds, publisher, metrics, logger } = this.#options;
    const page = await readHolds(this.#lane, this.#cursor, PAGE_HOLDS);
    this.#forget(page.now);
    const messages = this.#collect(page);
    if (messages.size > 0) {
      for (const part of splitByBytes([...messages.values()])) {
        await publisher.publish(TOPICS.reservations, RESERVATION_CREATED, part);
      }
      for (const keyHash of messages.keys()) this.#published.set(keyHash, page.now);
      metrics.orphans.inc(messages.size);
      logger.warn({ ...this.#lane, count: messages.size }, 'holds without settlement were published again');
    }
    this.#cursor = page.cursor;
  }

  #collect({ holds, now }: HoldPage): Map<string, OutgoingMessage> {
    const messages = new Map<string, OutgoingMessage>();
    for (const hold of holds) {
      if (this.#published.has(hold.keyHash)) continue;
      if (this.#published.size + messages.size >= REMEMBERED_MAX) break;
      const message = this.#toMessage(hold, now);
      if (message !== undefined) messages.set(hold.keyHash, message);
    }
    return messages;
  }

  /** Undefined while the hold may still be settled in time. */
  #toMessage({ keyHash, record: text }: StoredHold, now: number): OutgoingMessage | undefined {
    try {
      const record = parseRecord(text);
      if (now < record.expiresAt + this.#options.graceMs) return undefined;
      const message = toOrphanMessage(this.#lane, record);
      return { ...message, headers: { [HEADERS.republished]: '1' } };
    } catch (error) {
      if (!(error instanceof InvariantError)) throw error;
      // Unlike an outbox entry it promises nothing new, so that one broken hold must not stop the relay of every sale.
      this.#published.set(keyHash, now);
      this.#options.logger.error({ err: error, ...this.#lane, keyHash }, 'a hold cannot be published again');
      return undefined;
    }
  }

  #forget(now: number): void {
    for (const [keyHash, at] of this.#published) {
      if (at <= now && now - at < this.#options.republishMs) break;
      this.#published.delete(keyHash);
    }
  }
}
