import type { Kafka } from 'kafkajs';
import { backoffMs, systemClock, type Clock } from '../../clock.ts';
import { isKafkaJsError, isRefusal } from '../kafka-errors.ts';

/**
 * Together the attempts take a quarter of a minute, which is longer than a Kafka that was killed takes to
 * start.
 */
const ATTEMPTS_MAX = 8;
/**
 * A crash after this long is one of another time. That the consumer has joined its group says nothing: what
 * it meets in the topic may crash it right behind each join, and the group would be rearranged for ever.
 */
const CALM_MS = 60_000;
const BACKOFF = { baseMs: 200, capMs: 5_000 };

interface RestartOptions {
  groupId: string;
  /** Starts the consumer that kafkajs has given up. */
  start: () => Promise<void>;
  /** The process must end. */
  onFail: (error: unknown) => void;
  log: ReturnType<Kafka['logger']>;
  signal: AbortSignal;
  clock?: Clock;
}

/**
 * Kafkajs gives a consumer up for good on errors that a Kafka which dies or starts brings about, such as
 * "Failed to find group coordinator" while the coordinator is being loaded. Such a consumer is started again
 * here. The number of crashes in a row is bounded: an ACL that is missing looks the same, and whoever runs
 * the process learns of it when the process ends.
 */
export class ConsumerRestarts {
  readonly #options: RestartOptions;
  readonly #clock: Clock;
  #attempts = 0;
  #crashedAt = Number.NEGATIVE_INFINITY;
  #restarting: Promise<void> | undefined;

  constructor(options: RestartOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** kafkajs has given up. Never throws. */
  crashed(error: unknown): void {
    const { signal, onFail } = this.#options;
    if (signal.aborted) return;
    const now = this.#clock.now();
    if (now - this.#crashedAt >= CALM_MS) this.#attempts = 0;
    this.#crashedAt = now;
    if (!isKafkaJsError(error) || isRefusal(error) || this.#attempts >= ATTEMPTS_MAX) onFail(error);
    else this.#restarting = this.#restart(error);
  }

  /** Resolves when no restart is under way. Call it after the signal aborted. */
  async settled(): Promise<void> {
    await this.#restarting;
  }

  async #restart(error: Error): Promise<void> {
    const { groupId, log, onFail, signal, start } = this.#options;
    const attempt = this.#attempts;
    this.#attempts += 1;
    log.error('the consumer has ended and is started again', { groupId, attempt, error: String(error) });
    // A Kafka that is away is waited for, however long, as when the process starts.
    for (let tries = attempt; ; tries += 1) {
      await this.#clock.sleep(backoffMs(tries, BACKOFF), signal);
      if (signal.aborted) return;
      try {
        await start();
        return;
      } catch (failure) {
        if (!isKafkaJsError(failure) || isRefusal(failure)) {
          onFail(failure);
          return;
        }
        log.error('kafka cannot be reached', { groupId, tries, error: String(failure) });
      }
    }
  }
}
