import { readClock } from './clock.ts';
import type { Connections } from './connections.ts';
import { laneKeys, type Lane } from './keys.ts';

/** A hold as Redis keeps it: field of `keys` and the record behind it. */
export interface StoredHold {
  random: string;
  keyField: string;
  /** Null: settled and retired between the two readings. */
  record: string | null;
}

export interface HoldPage {
  holds: StoredHold[];
  /** Where the next page begins; '0': at the beginning again. */
  cursor: string;
  /** Redis' clock, milliseconds since the epoch. */
  now: number;
}

/** Reads about `countMax` holds of a lane, a few milliseconds of Redis' time. @throws ioredis' error, UnservedError */
export type ReadHolds = (lane: Lane, cursor: string, countMax: number) => Promise<HoldPage>;

export function createReadHolds(connections: Pick<Connections, 'of'>): ReadHolds {
  return async (lane, cursor, countMax) => {
    const { redis } = connections.of(lane);
    const keys = laneKeys(lane);
    const [next, pairs] = await redis.hscan(keys.holds, cursor, 'COUNT', countMax);
    const now = await readClock({ redis });
    const holds: StoredHold[] = [];
    for (let index = 0; index < pairs.length; index += 2) {
      holds.push({ random: pairs[index] ?? '', keyField: pairs[index + 1] ?? '', record: null });
    }
    const records =
      holds.length === 0 ? [] : await redis.hmget(keys.keys, ...holds.map(({ keyField }) => keyField));
    return {
      holds: holds.map((hold, index) => ({ ...hold, record: records[index] ?? null })),
      cursor: next,
      now,
    };
  };
}
