import { readClock } from './clock.ts';
import type { Connection } from './connection.ts';
import type { Connections } from './connections.ts';
import { laneKeys, STAMP, type Lane } from './keys.ts';

/** A hold as Redis keeps it. */
export interface StoredHold {
  keyHash: string;
  record: string;
}

export interface HoldPage {
  holds: StoredHold[];
  /** Where the next page begins. '0' means that the next page is the first one again. */
  cursor: string;
  /** Redis' clock, milliseconds since the epoch. */
  now: number;
}

/**
 * Reads about `countMax` holds of a lane, which takes a few milliseconds of Redis' time.
 * @throws ioredis' error, UnservedError
 */
export type ReadHolds = (lane: Lane, cursor: string, countMax: number) => Promise<HoldPage>;

export function createReadHolds(connections: Pick<Connections, 'of'>): ReadHolds {
  return async (lane, cursor, countMax) => {
    const { redis } = connections.of(lane);
    const [next, pairs] = await redis.hscan(laneKeys(lane).holds, cursor, 'COUNT', countMax);
    const now = await readClock({ redis });
    const holds: StoredHold[] = [];
    for (let index = 0; index < pairs.length; index += 2) {
      const keyHash = pairs[index] ?? '';
      if (keyHash !== STAMP) holds.push({ keyHash, record: pairs[index + 1] ?? '' });
    }
    return { holds, cursor: next, now };
  };
}

/** The number of a lane's holds. @throws ioredis' error */
export async function countHolds({ redis }: Pick<Connection, 'redis'>, lane: Lane): Promise<number> {
  const { holds } = laneKeys(lane);
  const [fields, stamps] = await Promise.all([redis.hlen(holds), redis.hexists(holds, STAMP)]);
  return fields - stamps;
}
