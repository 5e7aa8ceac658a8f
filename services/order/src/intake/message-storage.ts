import type { Batch, BatchContext, IncomingMessage, RejectedMessage } from '@seckill/runtime';
import { parseReservation, type Reserved } from '../ledger/reservation-message.ts';
import { deadLetter } from './dead-lettering.ts';
import type { GroupCommit } from './group-commit.ts';
import type { IntakeDeps } from './intake-deps.ts';
import { reportStored } from './report.ts';
import { isAboutData, retry } from './retry.ts';

/** The offsets of one chunk of a partition. */
export interface OffsetRange {
  /** Everything below this offset is stored. */
  stored: bigint;
  /** The first offset behind the chunk. */
  end: bigint;
}

interface ValidMessage {
  message: IncomingMessage;
  reserved: Reserved;
}

/** Brings one chunk of a batch into Postgres. What cannot be stored there becomes a dead letter. */
export class MessageStorage {
  readonly #deps: IntakeDeps;
  readonly #commits: Pick<GroupCommit, 'add'>;

  constructor(deps: IntakeDeps, commits: Pick<GroupCommit, 'add'>) {
    this.#deps = deps;
    this.#commits = commits;
  }

  /**
   * Returns when every message is an order, a refusal or a dead letter, and the offset stands behind them.
   * @throws as `retry`; OffsetBehindError when Postgres has less than `range.stored`.
   */
  async store(
    batch: Batch,
    messages: IncomingMessage[],
    range: OffsetRange,
    context: BatchContext,
  ): Promise<void> {
    const { clock, metrics } = this.#deps;
    const startedAt = clock.now();
    const { valid, rejected } = parseAll(messages);
    await deadLetter(this.#deps, batch, rejected, context);
    await this.#storeValid(batch, valid, range, context);
    metrics.intakeBatchSeconds.observe((clock.now() - startedAt) / 1_000);
  }

  /**
   * Cuts data that Postgres refuses in halves, down to the one message at fault. The neighbours of that
   * message are stored.
   */
  async #storeValid(
    batch: Batch,
    valid: ValidMessage[],
    range: OffsetRange,
    context: BatchContext,
  ): Promise<void> {
    const { topic, partition } = batch;
    const { stored, end } = range;
    const reserved = valid.map((one) => one.reserved);
    const chunk = { topic, partition, storedOffset: stored, nextOffset: end, reserved };
    try {
      const outcome = await retry(this.#deps, 'postgres', context, () => this.#commits.add(chunk));
      reportStored(outcome, this.#deps);
    } catch (error) {
      const [only] = valid;
      if (only === undefined || !isAboutData(error)) throw error;
      if (valid.length === 1) {
        await deadLetter(this.#deps, batch, [{ message: only.message, error: String(error) }], context);
        return this.#storeValid(batch, [], range, context);
      }
      const right = valid.splice(valid.length >> 1);
      const middle = right[0]?.message.offset ?? end;
      await this.#storeValid(batch, valid, { stored, end: middle }, context);
      await context.heartbeat();
      await this.#storeValid(batch, right, { stored: middle, end }, context);
    }
  }
}

function parseAll(messages: IncomingMessage[]): { valid: ValidMessage[]; rejected: RejectedMessage[] } {
  const valid: ValidMessage[] = [];
  const rejected: RejectedMessage[] = [];
  for (const message of messages) {
    const parsed = parseReservation(message);
    if ('error' in parsed) rejected.push({ message, error: parsed.error });
    else valid.push({ message, reserved: parsed.reserved });
  }
  return { valid, rejected };
}
