import { createRedis, systemClock, type Logger } from '@seckill/runtime';

/** A Redis that is not busy answers within a millisecond; a route that is lost never does. */
const PROBE_MS = 1_000;

/**
 * Does Redis answer a connection that is made for this question? False after a second, when it is out of
 * reach, and when it refuses: a Redis that takes no more connections is no reason to give up one that stands.
 * Never throws.
 */
export async function isAnsweringOthers(url: string, logger: Logger): Promise<boolean> {
  // INFO is not asked for: the caller only needs to know that somebody is there.
  const redis = createRedis(url, logger, { enableReadyCheck: false, disconnectTimeout: 0 });
  const ended = new AbortController();
  const ask = async (): Promise<boolean> => {
    await redis.connect();
    await redis.ping();
    return true;
  };
  try {
    return await Promise.race([
      ask().catch(() => false),
      systemClock.sleep(PROBE_MS, ended.signal).then(() => false),
    ]);
  } finally {
    ended.abort();
    redis.disconnect();
  }
}
