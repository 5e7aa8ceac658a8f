import type { Logger } from '@seckill/runtime';
import type { Connections } from '../redis/connections.ts';
import { scriptKeys, type Lane } from '../redis/keys.ts';
import { forgetLane } from '../redis/lane-registry.ts';
import type { RelayMetrics } from './metrics.ts';

/**
 * Removes a lane whose time is over, and then its entry of `seckill:lanes` (docs/recovery.md, "End of life").
 * If a crash prevents the second step, the next call finds the lane missing and takes that step.
 * @throws ioredis' error, UnservedError: call again.
 */
export async function retireLane(
  connections: Pick<Connections, 'of' | 'registry'>,
  lane: Lane,
  { logger, metrics }: { logger: Logger; metrics: RelayMetrics },
): Promise<void> {
  const { redis } = connections.of(lane);
  const [answer] = await redis.retire(scriptKeys('retire', lane));
  if (answer !== 'retired' && answer !== 'missing') return;
  if (answer === 'retired') {
    metrics.retired.inc();
    logger.info({ ...lane }, 'lane is retired');
  }
  await forgetLane(connections, lane);
}
