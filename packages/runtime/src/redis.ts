import { Redis, type RedisOptions } from 'ioredis';
import type { Logger } from './logger.ts';

/** A command whose answer takes longer is given up. The command may still run. */
export const COMMAND_MS = 500;

/**
 * A connection that fails fast and never repeats a command by itself. A script in flight when the socket died
 * may have run, so the caller is told "unknown" instead. (ioredis by default sends commands again, and queues
 * them for ever while it is offline.)
 */
export function createRedis(
  url: string,
  logger: Logger,
  options: Pick<
    RedisOptions,
    'enableReadyCheck' | 'autoResubscribe' | 'commandTimeout' | 'socketTimeout' | 'disconnectTimeout'
  > = {},
): Redis {
  const redis = new Redis(url, {
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // Commands of one tick go out in one write. The hot path has its explicit pipelines: under `reserve` no
    // difference could be told (without it 0.91, single pairs from 0.81 to 1.32). The setting is meant for
    // the limiter's counts and the many small reads.
    enableAutoPipelining: true,
    connectTimeout: 1_000,
    commandTimeout: COMMAND_MS,
    // A command that timed out stays on its socket. A socket that went silent without closing (a lost route)
    // would be kept until the kernel gives up, after about 15 minutes. So it is replaced after this long
    // without an awaited answer. Stock asks first whether Redis answers others
    // (services/stock/src/redis/connection.ts).
    socketTimeout: 2_000,
    // ioredis 6 would wait up to 5 s between attempts; a sale has no 5 s.
    retryStrategy: (attempt) => Math.min(500, 20 * 2 ** Math.min(attempt, 5)),
    // A primary that was demoted answers READONLY. We reconnect, because the address may lead elsewhere now.
    // The command is never sent again (2): it carries the run_id of before, and a Redis promoted meanwhile
    // would take it for its own.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 1 : false),
    ...options,
  });
  redis.on('error', (error: Error) => {
    logger.warn({ err: error }, 'redis connection');
  });
  return redis;
}

export class RedisPolicyError extends Error {
  override readonly name = 'RedisPolicyError';
  readonly code = 'SECKILL_REDIS_POLICY';
}

/** @throws RedisPolicyError when this Redis may evict keys: evicted stock is sold twice (D11). */
export async function assertNoEviction(redis: Redis): Promise<void> {
  const policy = /maxmemory_policy:(\S+)/.exec(await redis.info('memory'))?.[1];
  if (policy !== 'noeviction') {
    throw new RedisPolicyError(`maxmemory-policy is ${policy ?? 'unknown'}; stock needs noeviction`);
  }
}

/**
 * Says in the log what a loss of power would cost: `appendonly yes` and `appendfsync always` lose nothing
 * (D11).
 */
export async function warnOfDurability(redis: Redis, logger: Logger): Promise<void> {
  try {
    const settings = Object.fromEntries(
      await Promise.all(
        ['appendonly', 'appendfsync'].map(async (name) => {
          const [, value] = await redis.config('GET', name);
          return [name, value];
        }),
      ),
    ) as Record<string, string | undefined>;
    if (settings['appendonly'] === 'yes' && settings['appendfsync'] === 'always') return;
    logger.warn(settings, 'redis does not sync every write: what it confirmed can be lost');
  } catch (error) {
    // Providers hide CONFIG.
    logger.warn({ err: error }, 'redis does not tell whether it syncs every write');
  }
}

/** Where Redis is: one process, or any node of a cluster. A node tells of the others. */
export interface RedisAddress {
  url: string;
  isCluster: boolean;
}

/** Identity of the Redis process behind a connection, and of the history it writes. */
export interface RedisIdentity {
  /**
   * `run_id` and `master_replid` (docs/recovery.md). The pair changes at each restart and at each promotion.
   * run_id alone would survive when a primary was demoted, took over the data of a replica that lacks the
   * tail, and was promoted again.
   */
  runId: string;
  isCluster: boolean;
  /** A replica follows it without a gap. */
  hasReplica: boolean;
}

/** @throws RedisPolicyError when it is no primary, or does not tell who it is. */
export async function readIdentity(redis: Redis): Promise<RedisIdentity> {
  const [server, replication] = await Promise.all([redis.info('server'), redis.info('replication')]);
  const runId = /run_id:(\w+)/.exec(server)?.[1];
  const { replicationId, role, hasReplica } = parseReplication(replication);
  if (role !== 'master') throw new RedisPolicyError(`this Redis is no primary but ${role ?? 'unknown'}`);
  if (runId === undefined || replicationId === undefined) {
    throw new RedisPolicyError('this Redis tells no run_id or no master_replid');
  }
  return { runId: `${runId}:${replicationId}`, isCluster: /_mode:cluster/.test(server), hasReplica };
}

/** @throws as readIdentity. */
export async function readRunId(redis: Redis): Promise<string> {
  return (await readIdentity(redis)).runId;
}

/** Tells whether what answered `INFO replication` is a primary of the history that this identity names. */
export function isSameHistory(runId: string, replication: string): boolean {
  const { replicationId, role } = parseReplication(replication);
  return role === 'master' && replicationId !== undefined && runId.endsWith(`:${replicationId}`);
}

/** Tells whether a replica follows, by what answered `INFO replication`. */
export function hasReplica(replication: string): boolean {
  return parseReplication(replication).hasReplica;
}

function parseReplication(text: string): { replicationId?: string; role?: string; hasReplica: boolean } {
  const replicationId = /master_replid:(\w+)/.exec(text)?.[1];
  const role = /role:(\w+)/.exec(text)?.[1];
  return {
    ...(replicationId && { replicationId }),
    ...(role && { role }),
    hasReplica: /^slave\d+:.*state=online/m.test(text),
  };
}
