import { HEADERS } from '@seckill/contracts';
import type { Logger, OutgoingMessage, Publisher } from '@seckill/runtime';
import { retakeOf, type HoldRecord } from '../redis/hold-record.ts';
import type { HoldPage, ReadHolds, StoredHold } from '../redis/holds.ts';
import type { Lane } from '../redis/keys.ts';
import type { RelayMetrics } from './metrics.ts';
import { readHold, republish, toRepublished } from './republish.ts';

export interface OrphanScanDeps {
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
/**
 * This bounds memory and load when nothing is settled for a while. Holds beyond the bound wait until the
 * first are due again.
 */
const REMEMBERED_MAX = 10_000;

/**
 * Finds holds of one lane that nobody ended, and publishes them again (docs/recovery.md, "Holds nobody
 * ends"). Without this, a message that Kafka lost, or that is parked in dead letters, would keep its units
 * for ever. Order stores a reservation that it does not know. Order answers a reservation that has ended with
 * its settlement again.
 */
export class OrphanScan {
  readonly #deps: OrphanScanDeps;
  readonly #lane: Lane;
  #cursor = '0';
  /** When each hold was published again, by Redis' clock. The oldest stands first. */
  readonly #published = new Map<string, number>();
  /**
   * When each retake was seen first, by its hash and name. The hold of a retake is past its end from the
   * beginning.
   */
  readonly #retakes = new Map<string, number>();

  constructor(deps: OrphanScanDeps, lane: Lane) {
    this.#deps = deps;
    this.#lane = lane;
  }

  /** Nothing is remembered of the lane. */
  get isBlank(): boolean {
    return this.#cursor === '0' && this.#published.size + this.#retakes.size === 0;
  }

  /**
   * Reads one page of holds.
   * @returns whether it was the last page. @throws ioredis', kafkajs' or PublishError: the page is read again
   * then.
   */
  async step(): Promise<boolean> {
    const { readHolds, publisher, metrics, logger } = this.#deps;
    const page = await readHolds(this.#lane, this.#cursor, PAGE_HOLDS);
    this.#forget(page.now);
    const messages = this.#collect(page);
    if (messages.size > 0) {
      await republish(publisher, [...messages.values()]);
      for (const keyHash of messages.keys()) this.#published.set(keyHash, page.now);
      metrics.orphans.inc(messages.size);
      logger.warn({ ...this.#lane, count: messages.size }, 'holds without settlement were published again');
    }
    this.#cursor = page.cursor;
    return this.#cursor === '0';
  }

  /** The holds by the hash of their key. */
  #collect({ holds, now }: HoldPage): Map<string, OutgoingMessage> {
    const messages = new Map<string, OutgoingMessage>();
    for (const hold of holds) {
      if (this.#published.has(hold.keyHash)) continue;
      if (this.#published.size + messages.size >= REMEMBERED_MAX) break;
      const message = this.#toMessage(hold, now);
      if (message === 'broken') this.#published.set(hold.keyHash, now);
      else if (message !== 'early') messages.set(hold.keyHash, message);
    }
    return messages;
  }

  /**
   * Gives `early` while the hold may still be settled in time. Gives `broken`, and logs, when the hold makes
   * no message.
   */
  #toMessage(hold: StoredHold, now: number): OutgoingMessage | 'early' | 'broken' {
    const { logger, graceMs } = this.#deps;
    const record = readHold(this.#lane, hold, logger);
    if (record === undefined) return 'broken';
    const waitsSince = record.isRetake === true ? this.#seenAt(hold, record, now) : record.expiresAt;
    if (now < waitsSince + graceMs) return 'early';
    const message = toRepublished(this.#lane, record, logger);
    return message === undefined ? 'broken' : { ...message, headers: { [HEADERS.republished]: '1' } };
  }

  #seenAt({ keyHash }: StoredHold, record: HoldRecord, now: number): number {
    const name = `${keyHash} ${retakeOf(record) ?? ''}`;
    const seenAt = this.#retakes.get(name);
    if (seenAt !== undefined) return seenAt;
    // A hold that is forgotten here is published later, or once more. Neither does harm.
    if (this.#retakes.size >= REMEMBERED_MAX) this.#retakes.clear();
    this.#retakes.set(name, now);
    return now;
  }

  #forget(now: number): void {
    const { graceMs, republishMs } = this.#deps;
    for (const [name, seenAt] of this.#retakes) {
      if (now - seenAt > 2 * (graceMs + republishMs)) this.#retakes.delete(name);
    }
    for (const [keyHash, at] of this.#published) {
      if (at <= now && now - at < this.#deps.republishMs) break;
      this.#published.delete(keyHash);
    }
  }
}
