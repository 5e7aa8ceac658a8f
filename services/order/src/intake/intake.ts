import {
  backoffMs,
  classifyPostgresError,
  isKafkaAway,
  publishDeadLetters,
  type Assignment,
  type Batch,
  type BatchContext,
  type Clock,
  type IncomingMessage,
  type PartitionOffsets,
  type Logger,
  type Publisher,
  type RejectedMessage as Unfit,
} from '@seckill/runtime';
import { reportDistrusted } from '../sales/distrusted-epochs.ts';
import { GroupCommit } from './group-commit.ts';
import { OffsetBehindError, type IntakeStore, type Stored } from './intake-store.ts';
import { DataError } from '../ledger/ledger.ts';
import type { OrderMetrics } from '../metrics.ts';
import { report } from '../payments/payments.ts';
import { parseReservation, type Reserved } from '../ledger/reservation-message.ts';

export interface IntakeDeps {
  store: IntakeStore;
  publisher: Publisher;
  /** Tells the relay that there is something to publish. */
  wake: () => void;
  clock: Clock;
  logger: Logger;
  metrics: OrderMetrics;
  /** Messages in one transaction. */
  batchCountMax: number;
  random?: () => number;
}

interface Position {
  /** The first offset that is not stored. */
  next: bigint;
  /** How often we asked Kafka for `next` and got something later. */
  seeks: number;
}

/** Of a chunk: what is stored before it, and the first offset behind it. */
interface Range {
  stored: bigint;
  end: bigint;
}

interface Fit {
  message: IncomingMessage;
  reserved: Reserved;
}

/** A batch fetched before a seek may come after it, so one late answer does not prove that Kafka has lost something. */
const SEEKS_MAX = 3;
/** To place an assignment takes some reads of Kafka and Postgres, about 50 ms. */
const PLACING_POLL_MS = 20;

type Target = 'postgres' | 'kafka';

/** What a wait needs: it ends with the consumer, and keeps our place in the group. */
type Patience = Pick<BatchContext, 'signal' | 'heartbeat'>;

/**
 * Reservations from Kafka to Postgres. Offsets are stored with the rows and are the truth: Kafka's own would skip what
 * a restored Postgres has forgotten (recovery.md, "Intake"). Knows no Kafka and no Postgres, only its parts.
 */
export class Intake {
  readonly #deps: IntakeDeps;
  readonly #commits: GroupCommit;
  #positions = new Map<number, Position>();
  /** The assignment that is being placed. */
  #unplaced: Map<number, Position> | undefined;
  #assignment: Assignment | undefined;

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
    this.#commits = new GroupCommit(deps.store, deps.batchCountMax);
  }

  /**
   * Another consumer may have stored more, or Postgres or Kafka may be another: both are asked again, and Kafka is told where to
   * read on. At once, not with the next batch: a sale that is over has no next batch (recovery.md, "Intake").
   * @throws an error of our own (SQL), which must end the process.
   */
  async onAssigned(assignment: Assignment): Promise<void> {
    const positions = new Map<number, Position>();
    this.#positions = positions;
    this.#unplaced = positions;
    this.#assignment = assignment;
    try {
      await this.#place(assignment, positions);
    } catch (error) {
      if (error !== assignment.signal.reason) throw error;
    } finally {
      if (this.#unplaced === positions) this.#unplaced = undefined;
    }
  }

  async #place(assignment: Assignment, positions: Map<number, Position>): Promise<void> {
    const { topic, partitions, readOffsets, seek, signal } = assignment;
    const context = { signal, heartbeat: async () => undefined };
    // Before Postgres is asked: what another consumer stores in between must not look like something Postgres lost.
    const places = await this.#persist('kafka', context, readOffsets);
    for (const partition of partitions) {
      const stored = await this.#readNext(topic, partition, context);
      const place = places.find((one) => one.partition === partition);
      const next = place === undefined ? stored : await this.#compare(topic, place, stored, context);
      // Moved again meanwhile: what we know is void.
      if (this.#positions !== positions) return;
      positions.set(partition, { next, seeks: 0 });
      seek(partition, next);
    }
  }

  /**
   * What Postgres stored against what Kafka knows: neither may have lost anything unnoticed (recovery.md).
   * @returns the offset to read on from.
   */
  async #compare(topic: string, place: PartitionOffsets, stored: bigint, context: Patience): Promise<bigint> {
    const { store, logger, metrics } = this.#deps;
    const { partition, low, high, committed } = place;
    const seen = { topic, partition, stored: String(stored), low: String(low), high: String(high) };
    if (committed !== undefined && committed > stored) {
      // We commit to Kafka only what Postgres has: it had more once, and its other tables are as old.
      logger.error(
        { ...seen, committed: String(committed) },
        'intake: Postgres was restored to an earlier state',
      );
      reportDistrusted(await this.#persist('postgres', context, () => store.distrustEverySale()), this.#deps);
    }
    if (low <= stored && stored <= high) return stored;
    // Kafka has shed what was not read, or lost its disk and begins again below what is stored. It would leave it to us
    // to notice, and nothing might come to notice it by: a gate that waits for the stored offset would stay closed.
    metrics.intakeAlarms.inc({ reason: stored < low ? 'gap' : 'anew' });
    logger.error(seen, `intake: Kafka ${stored < low ? 'no longer has these messages' : 'begins anew'}`);
    await this.#persist('postgres', context, () => store.moveOffset(topic, partition, low));
    return low;
  }

  /**
   * What was fetched before is from where Kafka believes us to be: stored, it would move Postgres' offset back.
   * @returns whether there was something to wait for; the batch is void then, for each partition is read on from its place.
   */
  async #untilPlaced({ signal, heartbeat }: Patience): Promise<boolean> {
    let hasWaited = false;
    while (this.#unplaced !== undefined) {
      hasWaited = true;
      signal.throwIfAborted();
      await this.#deps.clock.sleep(PLACING_POLL_MS, signal);
      await heartbeat();
    }
    return hasWaited;
  }

  /**
   * Returns when the batch is stored, or must be read again from elsewhere, or the consumer stops. While Postgres is
   * away it waits, for ever, keeping its place in the group.
   * @throws what a heartbeat throws; or an error of our own (InvariantError, SQL), which must end the process.
   */
  async handleBatch(batch: Batch, context: BatchContext): Promise<void> {
    let positions = this.#positions;
    try {
      if (await this.#untilPlaced(context)) return;
      positions = this.#positions;
      const position = await this.#locate(batch, context, positions);
      if (!this.#isInPlace(batch, context, position)) return;
      for (const messages of chunksOf(batch.messages, this.#deps.batchCountMax)) {
        const end = endOf(messages);
        await this.#storeMessages(batch, messages, { stored: position.next, end }, context);
        position.next = end;
        position.seeks = 0;
        context.resolve(end - 1n);
        await context.heartbeat();
      }
    } catch (error) {
      if (error instanceof OffsetBehindError) await this.#placeAgain(error, positions);
      else if (error !== context.signal.reason) throw error;
    }
  }

  /** All partitions, for those without new messages have lost something too, and nothing would come to notice it by. */
  async #placeAgain(error: OffsetBehindError, positions: Map<number, Position>): Promise<void> {
    this.#deps.logger.error({ err: error }, 'intake: Postgres has forgotten what it had stored');
    // Another partition's batch was here first.
    if (this.#positions !== positions || this.#assignment === undefined) return;
    await this.onAssigned(this.#assignment);
  }

  async #locate(batch: Batch, context: BatchContext, positions: Map<number, Position>): Promise<Position> {
    const { topic, partition } = batch;
    const next = positions.get(partition)?.next ?? (await this.#readNext(topic, partition, context));
    const position = positions.get(partition) ?? { next, seeks: 0 };
    positions.set(partition, position);
    return position;
  }

  /** The first offset that is not stored. */
  async #readNext(topic: string, partition: number, context: Patience): Promise<bigint> {
    const { store } = this.#deps;
    return (await this.#persist('postgres', context, () => store.readOffset(topic, partition))) ?? 0n;
  }

  /** Does the batch continue what is stored? Reading something twice is harmless, leaving something out is not. */
  #isInPlace({ topic, partition, messages }: Batch, context: BatchContext, position: Position): boolean {
    const { logger, metrics } = this.#deps;
    const first = messages[0]?.offset;
    if (first === undefined) return false;
    const place = { topic, partition, first: first.toString(), stored: position.next.toString() };
    if (first < position.next) {
      logger.warn(place, 'intake: reading again what is stored, or the topic was made anew');
    } else if (first > position.next && position.seeks < SEEKS_MAX) {
      logger.info(place, 'intake: going back to what is not stored');
      position.seeks += 1;
      context.seek(position.next);
      return false;
    } else if (first > position.next) {
      metrics.intakeAlarms.inc({ reason: 'gap' });
      logger.error(place, 'intake: Kafka no longer has these messages');
    }
    return true;
  }

  async #storeMessages(
    batch: Batch,
    messages: IncomingMessage[],
    range: Range,
    context: BatchContext,
  ): Promise<void> {
    const startedAt = this.#deps.clock.now();
    const fit: Fit[] = [];
    const unfit: Unfit[] = [];
    for (const message of messages) {
      const parsed = parseReservation(message);
      if ('error' in parsed) unfit.push({ message, error: parsed.error });
      else fit.push({ message, reserved: parsed.reserved });
    }
    await this.#bury(batch, unfit, context);
    await this.#storeFit(batch, fit, range, context);
    this.#deps.metrics.intakeBatchSeconds.observe((this.#deps.clock.now() - startedAt) / 1_000);
  }

  /** Data that Postgres refuses is cut in halves down to the one message, so that its neighbours are stored. */
  async #storeFit(batch: Batch, fit: Fit[], range: Range, context: BatchContext): Promise<void> {
    const { topic, partition } = batch;
    const { stored, end } = range;
    const reserved = fit.map((one) => one.reserved);
    const chunk = { topic, partition, storedOffset: stored, nextOffset: end, reserved };
    try {
      this.#report(await this.#persist('postgres', context, () => this.#commits.add(chunk)));
    } catch (error) {
      const [only] = fit;
      if (only === undefined || classify(error) !== 'data') throw error;
      if (fit.length === 1) {
        await this.#bury(batch, [{ message: only.message, error: String(error) }], context);
        return this.#storeFit(batch, [], range, context);
      }
      const right = fit.splice(fit.length >> 1);
      const middle = right[0]?.message.offset ?? end;
      await this.#storeFit(batch, fit, { stored, end: middle }, context);
      await context.heartbeat();
      await this.#storeFit(batch, right, { stored: middle, end }, context);
    }
  }

  async #bury(batch: Batch, unfit: Unfit[], context: BatchContext): Promise<void> {
    if (unfit.length === 0) return;
    const { publisher, logger, metrics } = this.#deps;
    await this.#persist('kafka', context, () => publishDeadLetters(publisher, batch, unfit));
    metrics.intakeMessages.inc({ outcome: 'dead_letter' }, unfit.length);
    for (const { message, error } of unfit) {
      const { topic, partition } = batch;
      logger.error(
        { topic, partition, offset: message.offset.toString(), reason: error },
        'intake: dead letter',
      );
    }
  }

  #report({ stored, duplicates, refused, applied, settledAgain, distrusted }: Stored): void {
    const { logger, metrics, wake } = this.#deps;
    metrics.intakeMessages.inc({ outcome: 'stored' }, stored);
    metrics.intakeMessages.inc({ outcome: 'duplicate' }, duplicates);
    metrics.intakeMessages.inc({ outcome: 'refused' }, refused.length);
    metrics.ordersEnded.inc({ verdict: 'refused' }, refused.length);
    metrics.settlementsRepeated.inc(settledAgain);
    report(applied, this.#deps);
    reportDistrusted(distrusted, this.#deps);
    if (refused.length > 0 || settledAgain > 0) wake();
    for (const { id, refusal } of refused) {
      metrics.intakeAlarms.inc({ reason: refusal });
      logger.error({ orderId: id, refusal }, 'intake: order refused, Redis promised what it did not have');
    }
  }

  /** Repeats while the other side is away. Bounded only by the consumer's stop: there is nothing else to do. */
  async #persist<Result>(target: Target, context: Patience, work: () => Promise<Result>): Promise<Result> {
    const { clock, logger, metrics, random } = this.#deps;
    for (let attempt = 0; ; attempt += 1) {
      context.signal.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        if (!isTransient(target, error)) throw error;
        metrics.intakeRetries.inc({ target });
        logger.warn({ err: error, attempt }, `intake: ${target} is away, waiting`);
      }
      const pause = backoffMs(attempt, {
        baseMs: 50,
        capMs: 1_000,
        ...(random === undefined ? {} : { random }),
      });
      await clock.sleep(pause, context.signal);
      await context.heartbeat();
    }
  }
}

function classify(error: unknown): 'transient' | 'data' | 'other' {
  return error instanceof DataError ? 'data' : classifyPostgresError(error);
}

function isTransient(target: Target, error: unknown): boolean {
  if (target === 'postgres') return classify(error) === 'transient';
  return isKafkaAway(error);
}

function endOf(messages: IncomingMessage[]): bigint {
  return (messages.at(-1)?.offset ?? -1n) + 1n;
}

function* chunksOf<Item>(items: Item[], countMax: number): Generator<Item[]> {
  for (let start = 0; start < items.length; start += countMax) yield items.slice(start, start + countMax);
}
