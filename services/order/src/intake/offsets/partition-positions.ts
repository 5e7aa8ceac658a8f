import type { Assignment, Batch, BatchContext, PartitionOffsets } from '@seckill/runtime';
import { reportDistrusted } from '../../sales/distrusted-epochs.ts';
import type { IntakeDeps } from '../intake-deps.ts';
import { retry, type RetryContext } from '../retry.ts';

/** Where one partition stands. */
export interface Position {
  /** The first offset that is not stored. */
  next: bigint;
  /** Where the partition ended when its last batch came. */
  end?: bigint;
  /** Counts how often we asked Kafka for `next` and got something later. */
  seeks: number;
}

/**
 * The positions of one assignment. The next assignment of the group brings a new map, and this one is
 * void.
 */
export type Positions = Map<number, Position>;

/**
 * A batch fetched before a seek may come after it, so one late answer does not prove that Kafka has lost
 * something.
 */
const SEEKS_MAX = 3;
/** Placing an assignment takes some reads of Kafka and Postgres, about 50 ms. */
const PLACING_POLL_MS = 20;

/**
 * Keeps where each partition stands. A partition stands at the offset that Postgres has stored, which is
 * the truth. Kafka's own offset would skip what a restored Postgres has forgotten (docs/recovery.md,
 * "Intake").
 */
export class PartitionPositions {
  readonly #deps: IntakeDeps;
  #current: Positions = new Map();
  /** The assignment that is being placed. */
  #unplaced: Positions | undefined;
  #assignment: Assignment | undefined;

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
  }

  get current(): Positions {
    return this.#current;
  }

  /** Messages that Kafka has and Postgres does not, as far as the last batches tell. */
  get lag(): number {
    const lags = [...this.#current.values()].map(({ next, end = next }) => Number(end - next));
    return lags.reduce((sum, lag) => sum + Math.max(0, lag), 0);
  }

  /**
   * Asks Postgres and Kafka again, and tells Kafka where to read on. Another consumer may have stored more,
   * and either engine may be another one by now. This is done at once and not with the next batch: a sale
   * that is over has no next batch.
   * @throws an error of our own (SQL), which must end the process.
   */
  async place(assignment: Assignment): Promise<void> {
    const positions: Positions = new Map();
    this.#current = positions;
    this.#unplaced = positions;
    this.#assignment = assignment;
    try {
      await this.#placeAll(assignment, positions);
    } catch (error) {
      if (error !== assignment.signal.reason) throw error;
    } finally {
      if (this.#unplaced === positions) this.#unplaced = undefined;
    }
  }

  /**
   * Places every partition again. Partitions without new messages have lost something too, and nothing
   * else would ever show it.
   */
  async placeAgain(positions: Positions): Promise<void> {
    // Another partition's batch was here first.
    if (this.#current !== positions || this.#assignment === undefined) return;
    await this.place(this.#assignment);
  }

  /**
   * What was fetched before an assignment was placed comes from where Kafka believes us to be. Storing it
   * would move the offset in Postgres back.
   * @returns whether there was something to wait for. The batch is void then, and each partition is read
   * on from its position.
   */
  async untilPlaced({ signal, heartbeat }: RetryContext): Promise<boolean> {
    let hasWaited = false;
    while (this.#unplaced !== undefined) {
      hasWaited = true;
      signal.throwIfAborted();
      await this.#deps.clock.sleep(PLACING_POLL_MS, signal);
      await heartbeat();
    }
    return hasWaited;
  }

  async find({ topic, partition }: Batch, positions: Positions, context: RetryContext): Promise<Position> {
    const next = positions.get(partition)?.next ?? (await this.#readNext(topic, partition, context));
    const position = positions.get(partition) ?? { next, seeks: 0 };
    positions.set(partition, position);
    return position;
  }

  /**
   * Tells whether the batch continues what is stored. Reading something twice is harmless. Leaving
   * something out is not.
   */
  isInPlace({ topic, partition, messages }: Batch, position: Position, context: BatchContext): boolean {
    const { logger, metrics } = this.#deps;
    const first = messages[0]?.offset;
    if (first === undefined) return false;
    const seen = { topic, partition, first: first.toString(), stored: position.next.toString() };
    if (first < position.next) {
      logger.warn(seen, 'intake: reading again what is stored, or the topic was made anew');
    } else if (first > position.next && position.seeks < SEEKS_MAX) {
      logger.info(seen, 'intake: going back to what is not stored');
      position.seeks += 1;
      context.seek(position.next);
      return false;
    } else if (first > position.next) {
      metrics.intakeAlarms.inc({ reason: 'gap' });
      logger.error(seen, 'intake: Kafka no longer has these messages');
    }
    return true;
  }

  async #placeAll(assignment: Assignment, positions: Positions): Promise<void> {
    const { topic, partitions, readOffsets, seek, signal } = assignment;
    const context = { signal, heartbeat: async () => undefined };
    // We copy this before we ask Postgres. What another consumer stores in between must not look like
    // something that Postgres lost.
    const known = await retry(this.#deps, 'kafka', context, readOffsets);
    // One question for all partitions. One for each of twelve took half a second on a machine under load, in
    // which nothing is stored.
    const { store } = this.#deps;
    const all = await retry(this.#deps, 'postgres', context, () => store.readOffsets(topic));
    for (const partition of partitions) {
      const stored = all.get(partition) ?? 0n;
      const offsets = known.find((one) => one.partition === partition);
      const next = offsets === undefined ? stored : await this.#compare(topic, offsets, stored, context);
      // The partitions have moved again meanwhile, so what we know is void.
      if (this.#current !== positions) return;
      positions.set(partition, { next, seeks: 0 });
      seek(partition, next);
    }
  }

  /**
   * Compares what Postgres stored with what Kafka knows. Neither may have lost anything unnoticed (D32).
   * @returns the offset to read on from.
   */
  async #compare(
    topic: string,
    { partition, low, high, committed }: PartitionOffsets,
    stored: bigint,
    context: RetryContext,
  ): Promise<bigint> {
    const { store, logger, metrics } = this.#deps;
    const seen = { topic, partition, stored: String(stored), low: String(low), high: String(high) };
    if (committed !== undefined && committed > stored) {
      // We commit to Kafka only what Postgres has. So Postgres had more once, and its other tables are as
      // old.
      logger.error(
        { ...seen, committed: String(committed) },
        'intake: Postgres was restored to an earlier state',
      );
      const distrusted = await retry(this.#deps, 'postgres', context, () => store.distrustEverySale());
      reportDistrusted(distrusted, this.#deps);
    }
    if (low <= stored && stored <= high) return stored;
    // Kafka has shed what was not read, or lost its disk and begins again below what is stored. The next
    // message would show it, but there may be none, and a gate that waits for the stored offset would stay
    // closed.
    metrics.intakeAlarms.inc({ reason: stored < low ? 'gap' : 'anew' });
    logger.error(seen, `intake: Kafka ${stored < low ? 'no longer has these messages' : 'begins anew'}`);
    await retry(this.#deps, 'postgres', context, () => store.moveOffset(topic, partition, low));
    return low;
  }

  /** @returns the first offset that is not stored. */
  async #readNext(topic: string, partition: number, context: RetryContext): Promise<bigint> {
    const { store } = this.#deps;
    return (await retry(this.#deps, 'postgres', context, () => store.readOffset(topic, partition))) ?? 0n;
  }
}
