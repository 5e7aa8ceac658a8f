import { cpSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { Test } from 'tap';
import type { OutboxEntry } from '../../services/stock/src/relay/outbox.ts';
import { parseRecord, reservationIdOf } from '../../services/stock/src/redis/hold-record.ts';

/** A person's connection to Redis, which comes back by itself. */
export function connectRedis(t: Pick<Test, 'teardown'>, url: string): Redis {
  const redis = new Redis(url, { maxRetriesPerRequest: 10 });
  redis.on('error', () => undefined);
  t.teardown(() => {
    redis.disconnect();
  });
  return redis;
}

/** The folder that holds the AOF. */
export async function aofFolder(redis: Redis): Promise<string> {
  const [, dir = ''] = await redis.config('GET', 'dir');
  const [, name = ''] = await redis.config('GET', 'appenddirname');
  return join(dir, name);
}

/** @returns a function that puts the AOF of this moment back; Redis must not run then. */
export function copyAof(folder: string): () => void {
  const copy = `${folder}-copy`;
  rmSync(copy, { recursive: true, force: true });
  cpSync(folder, copy, { recursive: true });
  return () => {
    rmSync(folder, { recursive: true });
    cpSync(copy, folder, { recursive: true });
  };
}

/**
 * Cuts the AOF. @returns how many bytes the newest incremental file lost, `most` at the most; Redis must
 * not run.
 */
export function cutTail(folder: string, random: () => number, most: number): number {
  const name = readdirSync(folder).find((file) => file.endsWith('.incr.aof'));
  if (name === undefined) throw new Error(`${folder} holds no incremental AOF`);
  const file = join(folder, name);
  const { size } = statSync(file);
  const cut = Math.floor(random() ** 3 * Math.min(size, most));
  truncateSync(file, size - cut);
  return cut;
}

/** Longer than a kill takes on a busy machine, in ms. */
const PAUSE_MS = 10_000;

/**
 * Lets Redis write nothing from here on, until it is killed or gets `CLIENT UNPAUSE`.
 * @returns the reservations that may be known to it alone: the relay has not removed them.
 */
export async function freezeWrites(redis: Redis, ...saleIds: string[]): Promise<Set<string>> {
  await redis.call('CLIENT', 'PAUSE', String(PAUSE_MS), 'WRITE');
  const ids = new Set<string>();
  for (const saleId of saleIds) {
    for (const id of idsOf(saleId, await redis.xrange(outboxKey(saleId), '-', '+'))) ids.add(id);
  }
  return ids;
}

/**
 * Empties Redis by FLUSHALL. @returns the reservations that the relay had not removed, read in the same step.
 */
export async function flushAll(redis: Redis, ...saleIds: string[]): Promise<Set<string>> {
  const step = redis.multi();
  for (const saleId of saleIds) step.xrange(outboxKey(saleId), '-', '+');
  const replies = await step.flushall().exec();
  const ids = new Set<string>();
  for (const [index, saleId] of saleIds.entries()) {
    for (const id of idsOf(saleId, (replies?.[index]?.[1] ?? []) as [string, string[]][])) ids.add(id);
  }
  return ids;
}

/**
 * Makes it a replica of another. @returns the reservations that the relay had not removed, read in the same
 * step.
 */
export async function demote(redis: Redis, saleId: string, port: number): Promise<Set<string>> {
  const replies = await redis.multi().xrange(outboxKey(saleId), '-', '+').replicaof('127.0.0.1', port).exec();
  return idsOf(saleId, (replies?.[0]?.[1] ?? []) as [string, string[]][]);
}

/** The entries that a relay would read. */
export async function readOutbox(redis: Redis, saleId: string): Promise<OutboxEntry[]> {
  const entries = await redis.xrange(outboxKey(saleId), '-', '+');
  return entries.map(([id, fields]) => {
    const fact = (name: string): string => fields[fields.indexOf(name) + 1] ?? '';
    return { id, record: fact('record') };
  });
}

function outboxKey(saleId: string): string {
  return `seckill:{${saleId}:0}:outbox`;
}

function idsOf(saleId: string, entries: [string, string[]][]): Set<string> {
  return new Set(
    entries.map(([, fields]) => {
      const record = fields[fields.indexOf('record') + 1] ?? '';
      return reservationIdOf({ saleId, lane: 0 }, parseRecord(record));
    }),
  );
}
