import type { Connections } from './connections.ts';
import { formatLane, laneKeys, LANES_KEY, parseLane, type Lane } from './keys.ts';

/**
 * `seckill:lanes`, the list of the lanes that exist. Relays and announcers serve the lanes of this list. One
 * node keeps the list and other nodes keep the lanes, so a node that loses the list has not lost the lanes.
 * Every function throws ioredis' error or UnservedError.
 */

/** Every lane on the list. What somebody else put there names no lane, and is left out. */
export async function listLanes({ registry }: Pick<Connections, 'registry'>): Promise<Lane[]> {
  const members = await registry.redis.smembers(LANES_KEY);
  return members.flatMap((member) => parseLane(member) ?? []);
}

/** How many are on the list. */
export async function countLanes({ registry }: Pick<Connections, 'registry'>): Promise<number> {
  return registry.redis.scard(LANES_KEY);
}

/** Puts lanes on the list, with one command. Redis writes nothing where no lane is missing. */
export async function registerLanes(
  connections: Pick<Connections, 'registry'>,
  lanes: Lane[],
): Promise<void> {
  if (lanes.length > 0) await connections.registry.redis.sadd(LANES_KEY, lanes.map(formatLane));
}

/** Takes a lane that was removed off the list, unless the lane is there again. */
export async function forgetLane(
  connections: Pick<Connections, 'of' | 'registry'>,
  lane: Lane,
): Promise<void> {
  const { redis: registry } = connections.registry;
  await registry.srem(LANES_KEY, formatLane(lane));
  // A load registers a lane before and after it creates the lane (load-lane.ts). If it did both between the
  // removal and this SREM, the lane exists now, and without this nobody would relay its outbox.
  const { redis } = connections.of(lane);
  if ((await redis.exists(laneKeys(lane).state)) === 1) await registerLanes(connections, [lane]);
}
