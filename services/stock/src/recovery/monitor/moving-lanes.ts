import type { Logger } from '@seckill/runtime';
import { closeLane } from '../../redis/close-lane.ts';
import type { Connections } from '../../redis/connections.ts';
import type { ListedLane } from './listed-lane.ts';

/**
 * Closes the lanes whose keys are moving to another node, so that they are loaded anew whatever becomes of
 * the move. A move may end where it began, and leave keys behind under the identity of before (INV-4).
 */
export async function closeMovingLanes(
  lanes: Iterable<ListedLane>,
  {
    connections,
    logger,
  }: { connections: Pick<Connections, 'of' | 'isMoving' | 'isCluster'>; logger: Logger },
): Promise<void> {
  if (!connections.isCluster) return;
  for (const lane of lanes) {
    if (!connections.isMoving(lane)) continue;
    lane.goodUnder = undefined;
    try {
      await closeLane(connections, lane);
    } catch (error) {
      // The state of the lane has left already. Where it arrives it is stale, because another Redis serves
      // it.
      logger.warn({ err: error, ...lane }, 'lane monitor: a lane on its way cannot be closed here');
    }
  }
}
