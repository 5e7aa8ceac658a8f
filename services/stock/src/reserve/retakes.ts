import { parseReservationId, type RetakeAnswer } from '@seckill/contracts';
import { InvariantError, type Logger } from '@seckill/runtime';
import type { Announcer } from '../announce/announcer.ts';
import type { HighWaterMarks } from '../recovery/high-water-marks.ts';
import type { Connection } from '../redis/connection.ts';
import type { Connections } from '../redis/connections.ts';
import { isBrokenLane, LaneContentError } from '../lane-content-error.ts';
import { parseRecord } from '../redis/hold-record.ts';
import { scriptKeys, type Lane } from '../redis/keys.ts';
import { splitSuffix } from '../redis/reservation-id.ts';
import { RETAKE_SOURCE, type ScriptAnswer } from '../redis/scripts.ts';

export interface RetakesDeps {
  connections: Pick<Connections, 'group'>;
  announcer: Pick<Announcer, 'observeTaken'>;
  outboxCountMax: number;
  marks: Pick<HighWaterMarks, 'note'>;
  /** The lane turned an order away: it may be gone. */
  onUnavailable: (lane: Lane) => void;
  /** The lane has what no script of ours wrote, or lacks a part: it must be loaded anew. */
  onBroken: (lane: Lane, error: Error) => void;
  logger: Logger;
}

/** What order hears for each word of retake.lua. */
const RESULTS: Record<string, RetakeAnswer['result']> = {
  retaken: 'taken',
  repeated: 'taken',
  sale_unavailable: 'later',
  unsettled: 'later',
  overloaded: 'later',
  // Redis has the order as paid. Either order stores how the retake ended, or the epoch is distrusted; it
  // asks again until one of them has come.
  paid: 'later',
  not_expired: 'refused',
  sold_out: 'refused',
  limit_reached: 'refused',
  channel_full: 'refused',
};

const UNSERVED: RetakeAnswer = { result: 'later', reason: 'sale_unavailable' };

type Item = Lane & { suffix: string };

/** Takes the units of expired orders again, for money that came late (D58). */
export class Retakes {
  readonly #deps: RetakesDeps;

  constructor(deps: RetakesDeps) {
    this.#deps = deps;
  }

  /**
   * One answer per order, in order. A repeat takes nothing twice. Never throws for the failure of one.
   * @param reservationIds ids of ours.
   */
  async retake(reservationIds: string[]): Promise<RetakeAnswer[]> {
    const items = reservationIds.map((id) => {
      const parts = parseReservationId(id);
      if (parts === undefined) throw new InvariantError('a retake names a reservation');
      return parts;
    });
    const answers: RetakeAnswer[] = [];
    const groups = [...this.#deps.connections.group(items, (item) => item)];
    await Promise.all(
      groups.map(async ([connection, placed]) => {
        const told = await this.#retakeGroup(
          connection,
          placed.map(({ item }) => item),
        );
        for (const [index, answer] of told.entries()) answers[placed[index]?.index ?? -1] = answer;
      }),
    );
    return answers;
  }

  async #retakeGroup(connection: Connection | undefined, items: Item[]): Promise<RetakeAnswer[]> {
    const runId = connection?.runId;
    if (connection === undefined || runId === undefined) return items.map(() => UNSERVED);
    // The call is written to the socket in this very tick, for the Redis that has this identity, like that of
    // a reservation.
    const pipeline = connection.redis.pipeline();
    for (const item of items) {
      const { random, keyHash } = splitSuffix(item.suffix);
      const keys = scriptKeys('retake', item);
      const words = [runId, this.#deps.outboxCountMax, random, keyHash];
      pipeline.eval(RETAKE_SOURCE, keys.length, ...keys, ...words);
    }
    const results = await pipeline.exec();
    return items.map((item, index) => {
      const [error, answer] = results?.[index] ?? [new Error('no answer'), undefined];
      return error === null ? this.#read(item, answer as ScriptAnswer) : this.#fail(item, error);
    });
  }

  #read({ saleId, lane }: Item, [reason, record]: ScriptAnswer): RetakeAnswer {
    if (reason === 'sale_unavailable') this.#deps.onUnavailable({ saleId, lane });
    const result = RESULTS[String(reason)];
    if (result === undefined) throw new InvariantError(`retake.lua answered ${String(reason)}`);
    if (reason === 'retaken') {
      try {
        const taken = parseRecord(String(record));
        this.#deps.marks.note({ saleId, lane }, taken);
        this.#deps.announcer.observeTaken({ saleId, lane }, taken);
      } catch (error) {
        if (!(error instanceof LaneContentError)) throw error;
        return this.#fail({ saleId, lane }, error);
      }
    }
    return { result, reason: String(reason) };
  }

  /** Whatever it was, a repeat finds what was done. */
  #fail({ saleId, lane }: Lane, error: Error): RetakeAnswer {
    if (isBrokenLane(error)) this.#deps.onBroken({ saleId, lane }, error);
    this.#deps.logger.warn(
      { err: error, saleId, lane },
      'units could not be taken again, order asks once more',
    );
    return { result: 'later', reason: 'error' };
  }
}
