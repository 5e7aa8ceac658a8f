import {
  chunksOf,
  type Assignment,
  type Batch,
  type BatchContext,
  type IncomingMessage,
} from '@seckill/runtime';
import { GroupCommit } from './group-commit.ts';
import type { IntakeDeps } from './intake-deps.ts';
import { MessageStorage } from './message-storage.ts';
import { PartitionPositions } from './offsets/partition-positions.ts';
import { OffsetBehindError } from './offsets/stored-offsets.ts';

/**
 * Brings reservations from Kafka to Postgres, where offsets are stored with the rows (docs/recovery.md,
 * "Intake").
 */
export class Intake {
  readonly #deps: IntakeDeps;
  readonly #positions: PartitionPositions;
  readonly #storage: MessageStorage;

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
    this.#positions = new PartitionPositions(deps);
    this.#storage = new MessageStorage(deps, new GroupCommit(deps.store, deps.batchCountMax));
  }

  /**
   * Takes these partitions, which are ours from now on.
   * @throws an error of our own (SQL), which must end the process.
   */
  async onAssigned(assignment: Assignment): Promise<void> {
    await this.#positions.place(assignment);
  }

  /**
   * Returns when the batch is stored, when it must be read again from elsewhere, or when the consumer
   * stops. While Postgres is away the intake waits, for ever, and keeps its place in the group.
   * @throws what a heartbeat throws, or an error of our own (InvariantError, SQL), which must end the
   * process.
   */
  async handleBatch(batch: Batch, context: BatchContext): Promise<void> {
    let positions = this.#positions.current;
    try {
      if (await this.#positions.untilPlaced(context)) return;
      positions = this.#positions.current;
      const position = await this.#positions.find(batch, positions, context);
      if (!this.#positions.isInPlace(batch, position, context)) return;
      if (batch.end !== undefined) position.end = batch.end;
      this.#observeLag();
      for (const messages of chunksOf(batch.messages, this.#deps.batchCountMax)) {
        const end = endOf(messages);
        await this.#storage.store(batch, messages, { stored: position.next, end }, context);
        position.next = end;
        position.seeks = 0;
        this.#observeLag();
        context.resolve(end - 1n);
        await context.heartbeat();
      }
    } catch (error) {
      if (error instanceof OffsetBehindError) {
        this.#deps.logger.error({ err: error }, 'intake: Postgres has forgotten what it had stored');
        await this.#positions.placeAgain(positions);
      } else if (error !== context.signal.reason) throw error;
    }
  }

  #observeLag(): void {
    this.#deps.metrics.intakeLagMessages.set(this.#positions.lag);
  }
}

function endOf(messages: IncomingMessage[]): bigint {
  return (messages.at(-1)?.offset ?? -1n) + 1n;
}
