import type { Logger } from '@seckill/runtime';
import type { Connection } from './connection.ts';
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

/** The type of each key of a lane (scripts/lua/README.md). */
const TYPES = {
  state: 'hash',
  buyers: 'hash',
  keys: 'hash',
  holds: 'hash',
  outbox: 'stream',
  lease: 'string',
  recovery: 'string',
} as const;

/**
 * Removes the state of a lane that no script can work with, and each of its keys that is of another type than
 * ours. The lane is missing then, sells nothing, and is loaded anew from PostgreSQL. The outbox and the holds
 * stay where they are ours: the relay publishes what is in them.
 */
export async function scrapLane(redis: Connection['redis'], lane: Lane, logger: Logger): Promise<void> {
  const keys = laneKeys(lane);
  const removed: string[] = [];
  for (const [part, type] of Object.entries(TYPES) as [keyof typeof TYPES, string][]) {
    const found = await redis.type(keys[part]);
    if (found === 'none' || (found === type && part !== 'state')) continue;
    await redis.del(keys[part]);
    removed.push(`${part} (${found})`);
  }
  logger.error({ ...lane, removed }, 'lane opener: what no script of ours wrote is removed from the lane');
}

/**
 * Removes an outbox, which is empty, whose last id is beyond the epoch that was just loaded: no script of ours
 * wrote that id, and no reservation could be written behind it. The gate is closed meanwhile.
 */
export async function resetForeignOutbox(
  redis: Connection['redis'],
  lane: Lane,
  { epoch, logger }: { epoch: number; logger: Logger },
): Promise<void> {
  const { outbox } = laneKeys(lane);
  if ((await redis.exists(outbox)) === 0) return;
  const facts = (await redis.xinfo('STREAM', outbox)) as (string | number)[];
  const lastId = String(facts[facts.indexOf('last-generated-id') + 1]);
  if (Number(lastId.split('-', 1)[0]) <= epoch) return;
  await redis.del(outbox);
  logger.error({ ...lane, lastId }, 'lane opener: what no script of ours wrote is removed from the lane');
}
