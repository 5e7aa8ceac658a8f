import type { Connection } from './connection.ts';

/** Redis' TIME in milliseconds since the epoch, as the scripts count it. */
export function toMilliseconds([seconds, microseconds]: (number | string)[]): number {
  return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
}

/** The clock that sets `expiresAt`; order compares it with Postgres' (recovery.md, "Time"). @throws ioredis' error. */
export async function readClock({ redis }: Pick<Connection, 'redis'>): Promise<number> {
  return toMilliseconds(await redis.time());
}
