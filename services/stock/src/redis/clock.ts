import { toMilliseconds, type Connection } from './connection.ts';
import { UnservedError, type Connections } from './connections.ts';

/**
 * Reads the clock that sets `expiresAt`. Order compares this clock with Postgres' (docs/recovery.md, "Time").
 * @throws ioredis' error.
 */
export async function readClock({ redis }: Pick<Connection, 'redis'>): Promise<number> {
  return toMilliseconds(await redis.time());
}

/**
 * Reads the clock of one node after the other, because each sets the `expiresAt` of its lanes. Whoever asks
 * often enough learns of the clock that is wrong.
 * @throws ioredis' error, UnservedError.
 */
export function createReadClocks(connections: Pick<Connections, 'all'>): () => Promise<number> {
  let turn = 0;
  return async () => {
    const all = connections.all();
    const connection = all[turn % all.length];
    turn += 1;
    if (connection === undefined) throw new UnservedError('no node of Redis is known');
    return readClock(connection);
  };
}
