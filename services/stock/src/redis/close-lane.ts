import type { Connections } from './connections.ts';
import { laneKeys, scriptKeys, type Lane } from './keys.ts';

/**
 * Closes a lane that is open. Two callers need this: the settler, when a settlement contradicts the lane, and
 * the lane monitor, when the keys of the lane are moving to another node. A lane that is missing stays
 * missing; close.lua alone would create it. @throws ioredis' error, UnservedError.
 */
export async function closeLane(connections: Pick<Connections, 'of'>, lane: Lane): Promise<void> {
  const { redis, runId = '' } = connections.of(lane);
  if ((await redis.exists(laneKeys(lane).state)) === 0) return;
  await redis.close(scriptKeys('close', lane), runId, '1');
}
