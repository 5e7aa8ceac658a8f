import type { Connections } from '../redis/connections.ts';
import { laneKeys, scriptKeys, type Lane } from '../redis/keys.ts';

/**
 * Although it is open: it contradicts what was settled, or its keys are on their way. close.lua would make a lane that is
 * missing. @throws ioredis' error, UnservedError.
 */
export async function closeLane(connections: Pick<Connections, 'of'>, lane: Lane): Promise<void> {
  const { redis, runId = '' } = connections.of(lane);
  if ((await redis.exists(laneKeys(lane).state)) === 0) return;
  await redis.close(scriptKeys('close', lane), runId, '1');
}
