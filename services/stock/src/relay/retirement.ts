import type { Logger } from '@seckill/runtime';
import type { Connections } from '../redis/connections.ts';
import { formatLane, laneKeys, LANES_KEY, scriptKeys, type Lane } from '../redis/keys.ts';
import type { RelayMetrics } from './metrics.ts';

/**
 * Removes a lane whose time is over, then its member of the registry; whichever of the two was lost is done by the next
 * call (recovery.md, "End of life"). @throws ioredis' error, UnservedError: call again.
 */
export async function retireLane(
  connections: Pick<Connections, 'of' | 'registry'>,
  lane: Lane,
  { logger, metrics }: { logger: Logger; metrics: RelayMetrics },
): Promise<void> {
  const { redis } = connections.of(lane);
  const [answer] = await redis.retire(scriptKeys('retire', lane));
  if (answer === 'retired') {
    metrics.retired.inc();
    logger.info({ ...lane }, 'lane is retired');
  } else if (answer !== 'missing') {
    return;
  }
  const { redis: registry } = connections.registry;
  await registry.srem(LANES_KEY, formatLane(lane));
  // A load registers a lane before and after it creates it. If it did so between our two commands, the lane is there
  // now, and nobody would relay its outbox without this.
  if ((await redis.exists(laneKeys(lane).state)) === 1) await registry.sadd(LANES_KEY, formatLane(lane));
}
