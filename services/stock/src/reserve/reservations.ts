import {
  ERASED_CONTACT,
  laneOf,
  parseReservationId,
  type Reservation,
  type ReserveAnswer,
  type ReserveItem,
} from '@seckill/contracts';
import { COMMAND_MS, hasReplica, InvariantError, isSameHistory, type Logger } from '@seckill/runtime';
import type { HighWaterMarks } from '../recovery/high-water-marks.ts';
import { toFailureAnswer, toTold } from './answer.ts';
import type { Announcer } from '../announce/announcer.ts';
import type { Connection } from '../redis/connection.ts';
import type { Connections } from '../redis/connections.ts';
import { logFailures, type Failure } from './failures.ts';
import { isBrokenLane, LaneContentError } from '../lane-content-error.ts';
import { LANES_PER_SALE, laneKeys, scriptKeys, type Lane } from '../redis/keys.ts';
import type { ReserveMetrics } from './metrics.ts';
import { parseRecord, toReservation } from '../redis/hold-record.ts';
import { makeRandoms, splitSuffix } from '../redis/reservation-id.ts';
import { splitIntoCalls, toReserveArguments } from './calls.ts';
import { RESERVE_SCRIPT, type ScriptAnswer } from '../redis/scripts.ts';

/**
 * A replica that follows confirms within a millisecond or two. A replica that hangs makes every batch of its
 * node unknown until Redis gives it up. So this is shorter than what a command may take (500 ms), and than a
 * buyer waits.
 */
const REPLICA_MS = 200;

const OUTCOME_UNKNOWN: ReserveAnswer = { outcome: 'outcome_unknown' };

export interface ReservationsDeps {
  connections: Pick<Connections, 'group' | 'of'>;
  announcer: Pick<Announcer, 'observe'>;
  /** Called when a lane turned somebody away: it may be closed without anyone knowing. */
  onUnavailable: (lane: Lane) => void;
  /** Called when a lane has what no script of ours wrote: it must be loaded anew. */
  onBroken: (lane: Lane, error: Error) => void;
  outboxCountMax: number;
  marks: HighWaterMarks;
  logger: Logger;
  metrics: ReserveMetrics;
  /**
   * Called when our own bug was met: the process must end, but not before the neighbours in the batch are
   * answered.
   */
  onInvariantBroken: (error: InvariantError) => void;
}

/** Takes reservations, and reads the holds that they left in Redis. */
export class Reservations {
  readonly #deps: ReservationsDeps;

  constructor(deps: ReservationsDeps) {
    this.#deps = deps;
  }

  /** One answer per item, in order; never throws for the failure of one item. */
  async reserve(items: ReserveItem[]): Promise<ReserveAnswer[]> {
    const { connections, metrics } = this.#deps;
    const stopTimer = metrics.batchSeconds.startTimer();
    metrics.batchItems.observe(items.length);
    const answers: ReserveAnswer[] = [];
    const groups = [...connections.group(items, laneFor)];
    await Promise.all(
      groups.map(async ([connection, placed]) => {
        const group = placed.map(({ item }) => item);
        const told = await this.#reserveGroup(connection, group);
        for (const [index, answer] of told.entries()) answers[placed[index]?.index ?? -1] = answer;
      }),
    );
    stopTimer();
    for (const { outcome } of answers) metrics.answers.inc({ outcome });
    return answers;
  }

  /** The items that one node serves. */
  async #reserveGroup(connection: Connection | undefined, items: ReserveItem[]): Promise<ReserveAnswer[]> {
    const runId = connection?.runId;
    const now = connection?.earliest(performance.now());
    if (connection === undefined || runId === undefined || now === undefined) {
      return items.map(() => ({ outcome: 'sale_unavailable', missing: false }));
    }
    // After this time we give the command up and tell `outcome_unknown`, however long the gateway waits.
    return this.#reserveBatch(connection, { runId, deadline: now + COMMAND_MS }, items);
  }

  async #reserveBatch(
    connection: Connection,
    { runId, deadline }: { runId: string; deadline: number },
    items: ReserveItem[],
  ): Promise<ReserveAnswer[]> {
    // An explicit pipeline is written to the socket in this very tick. ioredis' automatic one may wait behind
    // another and carry an old run_id over a reconnect, and the gate of a restarted Redis would take it for
    // its own.
    const pipeline = connection.redis.pipeline();
    const randoms = makeRandoms(items.length);
    const calls = splitIntoCalls(items, laneFor);
    // The script is called by its hash alone. ioredis' own command sends a script that Redis does not know
    // again behind what follows here, perhaps over another connection. INFO and WAIT would then vouch for a
    // write that came after them (INV-2).
    for (const { lane, ...call } of calls) {
      const requests = call.items.flatMap((item, place) =>
        toReserveArguments(item, randoms[call.indexes[place] ?? -1] ?? ''),
      );
      const keys = scriptKeys('reserve', lane);
      const head = [runId, this.#deps.outboxCountMax, deadlineOf(call.items, deadline)];
      pipeline.evalsha(RESERVE_SCRIPT.hash, keys.length, ...keys, ...head, ...requests);
    }
    // What is known of this Redis is up to 2 s old. Within that time a primary may have been demoted, have
    // taken over the data of a replica that lacks the tail, and have been promoted again. Such a primary kept
    // our socket, and its lanes name the identity we pass. Only what it says of itself after the scripts
    // tells (INV-2). The question costs 4 µs of Redis' time a batch.
    pipeline.info('replication');
    // What a replica has outlives this node. Without a replica the disk alone keeps it
    // (docs/operating/backup.md says what a replica promoted shortly after costs).
    const isFollowed = connection.hasReplica;
    if (isFollowed) pipeline.wait(1, REPLICA_MS);
    const results = await pipeline.exec();
    const isSame = this.#isSame(connection, runId, results?.[calls.length]?.[1]);
    const isKept = !isFollowed || Number(results?.[calls.length + 1]?.[1] ?? 0) > 0;
    const failures: Failure[] = [];
    const answers: ReserveAnswer[] = [];
    for (const [place, call] of calls.entries()) {
      const [error, told] = results?.[place] ?? [new Error('no answer'), undefined];
      if (error?.message.startsWith('NOSCRIPT') === true) connection.loadScriptAgain();
      for (const [index, item] of call.items.entries()) {
        const answer = error ?? (told as (ScriptAnswer | Error)[])[index] ?? new Error('no answer');
        const isCertain = answer instanceof Error || (isSame && isKept);
        const read = isCertain ? this.#readAnswer(call.lane, item, answer) : OUTCOME_UNKNOWN;
        if (read instanceof Error) {
          if (isBrokenLane(read)) this.#deps.onBroken(call.lane, read);
          const failure = toFailureAnswer(read);
          failures.push({ outcome: failure.outcome, error: read });
          answers[call.indexes[index] ?? -1] = failure;
        } else answers[call.indexes[index] ?? -1] = read;
      }
    }
    logFailures(this.#deps.logger, failures);
    return answers;
  }

  #readAnswer(lane: Lane, item: ReserveItem, answer: ScriptAnswer | Error): ReserveAnswer | Error {
    if (answer instanceof Error) return answer;
    try {
      const told = toTold(lane, item, answer);
      // The mark is noted before the buyer hears, so that no reservation we acknowledged is forgotten.
      if (told.record !== undefined) this.#deps.marks.note(lane, told.record);
      this.#deps.announcer.observe(lane, told.answer, told.record);
      if (told.answer.outcome === 'sale_unavailable') this.#deps.onUnavailable(lane);
      return told.answer;
    } catch (error) {
      if (error instanceof InvariantError) {
        this.#deps.onInvariantBroken(error);
        return error;
      }
      // An instant beyond all calendars, say: it fails its own item, and not its neighbours.
      if (error instanceof LaneContentError) return error;
      return new LaneContentError('what the script answered cannot be told', { cause: error });
    }
  }

  /** False too when the node did not answer: what it was then is not known. */
  #isSame(connection: Connection, runId: string, replication: unknown): boolean {
    if (typeof replication !== 'string') return false;
    connection.noteReplica(hasReplica(replication));
    const isSame = isSameHistory(runId, replication);
    if (!isSame) {
      connection.forget();
      this.#deps.logger.error({ runId }, 'another Redis has answered than the one that was asked');
    }
    return isSame;
  }

  /**
   * The hold behind a reservation id, or undefined when there is none (any more).
   * @throws ioredis' error, UnservedError.
   */
  async readHold(
    reservationId: string,
  ): Promise<{ reservation: Reservation; userId: string; contact?: string } | undefined> {
    const parts = parseReservationId(reservationId);
    if (parts === undefined) return undefined;
    const { random, keyHash } = splitSuffix(parts.suffix);
    const text = await this.#deps.connections.of(parts).redis.hget(laneKeys(parts).holds, keyHash);
    if (text === null) return undefined;
    const record = parseRecord(text);
    if (record.random !== random) return undefined;
    const { userId, contact } = record;
    const isThere = contact !== undefined && contact !== ERASED_CONTACT;
    const reservation = toReservation(parts, record);
    return { reservation, userId, ...(isThere ? { contact } : {}) };
  }
}

/** An item without a deadline comes from an older gateway, or from nobody who waits: our own bound counts. */
function deadlineOf(items: ReserveItem[], bound: number): number {
  return items.reduce((first, { deadline = bound }) => Math.min(first, deadline), bound);
}

function laneFor({ saleId, userId }: ReserveItem): Lane {
  return { saleId, lane: laneOf(userId, LANES_PER_SALE) };
}
