import { TOPICS, type ReservationSettled, type Topic } from '@seckill/contracts';
import {
  backoffMs,
  isKafkaAway,
  publishDeadLetters,
  startConsumer,
  type Batch,
  type BatchContext,
  type Clock,
  type IncomingMessage,
  type Kafka,
  type Logger,
  type MemberStore,
  type Publisher,
  type RejectedMessage,
  type Tracing,
} from '@seckill/runtime';
import type { Lane } from '../redis/keys.ts';
import type { SettlerMetrics } from './metrics.ts';
import { parseSettlement } from './settlement-message.ts';
import type { Settle, SettleAnswer } from './settlements.ts';

export const SETTLER_GROUP = 'seckill.settler';

/**
 * All I/O, time and chance come in here, so that a test can run this file with engines that misbehave (D40).
 */
export interface SettlerDeps {
  settle: Settle;
  publisher: Publisher;
  clock: Clock;
  random: () => number;
  logger: Logger;
  metrics: SettlerMetrics;
  /** Called when the counts of a lane contradict a hold: the lane must be loaded anew. */
  onBroken: (settled: ReservationSettled) => void;
  /** Called when units of a lane are for sale again. */
  onReturned: (lane: Lane) => void;
  /** Settlements in one pipeline. 256 keep Redis busy for about 5 ms, so that reservations go on. */
  batchCountMax: number;
}

interface ValidSettlement {
  message: IncomingMessage;
  settled: ReservationSettled;
}

const BACKOFF = { baseMs: 50, capMs: 1_000 };

/**
 * Brings settlements from Kafka to Redis. An offset is passed only after Redis answered, and the settlement
 * is on disk then (`appendfsync always`). What comes twice finds no hold (INV-5). The settler knows no Kafka
 * and no Redis, only its parts.
 */
export class Settler {
  readonly #deps: SettlerDeps;

  constructor(deps: SettlerDeps) {
    this.#deps = deps;
  }

  /**
   * Returns when the batch is settled or the consumer stops. While Redis is away the settler waits, for ever,
   * and keeps its place in the group.
   * @throws what a heartbeat throws; or InvariantError, which must end the process.
   */
  async handleBatch(batch: Batch, context: BatchContext): Promise<void> {
    const { batchCountMax } = this.#deps;
    try {
      for (let start = 0; start < batch.messages.length; start += batchCountMax) {
        const messages = batch.messages.slice(start, start + batchCountMax);
        await this.#handleMessages(batch, messages, context);
        const last = messages.at(-1);
        if (last !== undefined) context.resolve(last.offset);
        await context.heartbeat();
      }
    } catch (error) {
      if (error !== context.signal.reason) throw error;
    }
  }

  async #handleMessages(batch: Batch, messages: IncomingMessage[], context: BatchContext): Promise<void> {
    const valid: ValidSettlement[] = [];
    const rejected: RejectedMessage[] = [];
    for (const message of messages) {
      const parsed = parseSettlement(message);
      if ('error' in parsed) rejected.push({ message, error: parsed.error });
      else valid.push({ message, settled: parsed.settled });
    }
    this.#deps.metrics.settlements.inc({ verdict: 'unknown', result: 'dead_letter' }, rejected.length);
    const broken = await this.#settle(valid, context);
    await this.#deadLetter(batch, [...rejected, ...broken], context);
  }

  /** Asks until Redis answered each settlement. @returns what Redis will never be able to settle. */
  async #settle(valid: ValidSettlement[], context: BatchContext): Promise<RejectedMessage[]> {
    const { settle, logger, metrics } = this.#deps;
    const broken: RejectedMessage[] = [];
    let waiting = valid;
    for (let attempt = 0; waiting.length > 0; attempt += 1) {
      context.signal.throwIfAborted();
      const answers = await settle(waiting.map(({ settled }) => settled));
      const unanswered: ValidSettlement[] = [];
      let lastError: unknown;
      for (const [index, one] of waiting.entries()) {
        const answer = answers[index];
        if (answer === undefined || answer.result === 'unanswered') {
          unanswered.push(one);
          lastError = answer?.error;
        } else {
          this.#observe(one.settled, answer);
          if (answer.result === 'broken') {
            this.#deps.onBroken(one.settled);
            broken.push({ message: one.message, error: answer.error.message });
          }
        }
      }
      waiting = unanswered;
      if (waiting.length === 0) break;
      metrics.retries.inc({ target: 'redis' });
      logger.warn({ err: lastError, attempt, waiting: waiting.length }, 'settler: redis is away, waiting');
      await this.#pause(attempt, context);
    }
    return broken;
  }

  #observe(settled: ReservationSettled, answer: SettleAnswer): void {
    const { reservationId, saleId, lane, retake } = settled;
    const verdict = settled.returned === undefined ? settled.verdict : 'returned';
    const { logger, metrics } = this.#deps;
    if (answer.result === 'broken') {
      metrics.settlements.inc({ verdict, result: 'dead_letter' });
      metrics.alarms.inc({ reason: 'lane_broken' });
      logger.error(
        { err: answer.error, reservationId, verdict },
        'settler: the lane contradicts a settlement',
      );
      return;
    }
    metrics.settlements.inc({ verdict, result: answer.result });
    if (answer.result === 'returned' && answer.restocked > 0) this.#deps.onReturned({ saleId, lane });
    if (answer.result !== 'settled') return;
    if (verdict === 'cancelled' || verdict === 'expired') this.#deps.onReturned({ saleId, lane });
    // A hold that was taken again is past its end from the first moment on.
    if (verdict === 'expired' && retake === undefined) {
      metrics.returnSeconds.observe(Math.max(0, answer.delayMs) / 1_000);
    }
  }

  async #deadLetter(batch: Batch, rejected: RejectedMessage[], context: BatchContext): Promise<void> {
    if (rejected.length === 0) return;
    const { publisher, logger, metrics } = this.#deps;
    for (let attempt = 0; ; attempt += 1) {
      context.signal.throwIfAborted();
      try {
        await publishDeadLetters(publisher, batch, rejected);
        break;
      } catch (error) {
        if (!isKafkaAway(error)) throw error;
        metrics.retries.inc({ target: 'kafka' });
        logger.warn({ err: error, attempt }, 'settler: kafka is away, waiting');
      }
      await this.#pause(attempt, context);
    }
    const { topic, partition } = batch;
    for (const { message, error } of rejected) {
      const offset = message.offset.toString();
      logger.error({ topic, partition, offset, reason: error }, 'settler: dead letter');
    }
  }

  /** Only the consumer's stop ends this wait: nothing else can be done with a settlement than to apply it. */
  async #pause(attempt: number, context: BatchContext): Promise<void> {
    const { clock, random } = this.#deps;
    await clock.sleep(backoffMs(attempt, { ...BACKOFF, random }), context.signal);
    await context.heartbeat();
  }
}

/**
 * Connects the settler to Kafka.
 * @param options.onFail the settler cannot go on: end the process, which restarts from what Kafka holds.
 * @returns a function that stops after the batches under way.
 */
export async function consumeSettlements(options: {
  kafka: Kafka;
  settler: Settler;
  onFail: (error: unknown) => void;
  members?: MemberStore;
  tracing?: Tracing | undefined;
  groupId?: string;
  topic?: Topic;
}): Promise<() => Promise<void>> {
  const { kafka, settler, onFail } = options;
  return startConsumer({
    kafka,
    groupId: options.groupId ?? SETTLER_GROUP,
    topic: options.topic ?? TOPICS.settlements,
    ...(options.members === undefined ? {} : { members: options.members }),
    // Every batch is one short pipeline on one connection: partitions need not wait for each other.
    concurrency: TOPICS.settlements.partitions,
    // There is no `onAssigned`. Nothing is remembered about positions: settling twice is harmless.
    onBatch: (batch, context) => settler.handleBatch(batch, context),
    tracing: options.tracing,
    onFail,
  });
}
