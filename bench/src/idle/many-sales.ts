import { setTimeout as sleep } from 'node:timers/promises';
import { formatInstant } from '@seckill/contracts';
import { Redis } from 'ioredis';
import { readUse, spentBetween } from '../measure/cpu.ts';
import { sendSale } from '../target/sale.ts';
import type { Target } from '../target/target.ts';

/** Sales that are created at the same time. An operator's script that knows a batch does no more. */
const CREATED_AT_ONCE = 32;
const DAY_MS = 24 * 3_600_000;
/** A creation whose outcome is unknown is repeated with the same id. */
const TRIES_MAX = 20;

/** What is asked and spent while nothing happens. */
export interface IdleFigures {
  sales: number;
  seconds: number;
  /** Redis commands a second, those that scripts call included. */
  commandsPerSecond: number;
  /** Shares of one core: of the services and Redis, and of each process. */
  cores: number;
  coresByProcess: Record<string, number>;
}

export interface CreationFigures {
  sales: number;
  /** Sales a second, each counted once stock has acknowledged it. */
  perSecond: number;
  /** Answers `outcome_unknown`, after which the same sale was created again. */
  unknown: number;
}

/**
 * Creates scheduled sales: they open tomorrow, so nothing happens to them. @throws Error when one is refused.
 */
export async function createScheduled(
  { http, operatorToken }: Pick<Target, 'http' | 'operatorToken'>,
  prefix: string,
  count: number,
): Promise<CreationFigures> {
  const opensAt = Date.now() + DAY_MS;
  let next = 0;
  let unknown = 0;
  const create = async (id: string): Promise<void> => {
    const body = JSON.stringify({
      id,
      title: 'Scheduled sale',
      opensAt: formatInstant(opensAt),
      closesAt: formatInstant(opensAt + DAY_MS),
      items: [{ sku: 'unit', title: 'Unit', price: { amount: 100, currency: 'CNY' }, total: 100 }],
    });
    unknown += await sendSale({ http, operatorToken }, id, body, TRIES_MAX);
  };
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: CREATED_AT_ONCE }, async () => {
      while (next < count) {
        const number = next;
        next += 1;
        await create(`${prefix}-${number}`);
      }
    }),
  );
  return { sales: count, perSecond: (1_000 * count) / (performance.now() - startedAt), unknown };
}

/**
 * Counts what the system asks of Redis and what its processes use in so much time, while nobody asks the
 * system.
 */
export async function measureIdle(
  { pids }: Pick<Target, 'pids'>,
  redisUrl: string,
  { sales, seconds }: { sales: number; seconds: number },
): Promise<IdleFigures> {
  const redis = new Redis(redisUrl);
  try {
    await redis.ping();
    const useBefore = readUse(pids);
    const callsBefore = await countCalls(redis);
    const startedAt = performance.now();
    await sleep(1_000 * seconds);
    const calls = (await countCalls(redis)) - callsBefore - 1;
    const spent = spentBetween(useBefore, readUse(pids));
    const took = (performance.now() - startedAt) / 1_000;
    const coresByProcess = Object.fromEntries(
      Object.entries(spent).map(([name, cpuSeconds]) => [name, cpuSeconds / took]),
    );
    const engines = new Set(['kafka', 'postgres']);
    const cores = Object.entries(coresByProcess).reduce(
      (sum, [name, share]) => (engines.has(name) ? sum : sum + share),
      0,
    );
    return { sales, seconds: took, commandsPerSecond: calls / took, cores, coresByProcess };
  } finally {
    redis.disconnect();
  }
}

/** All commands that Redis ever carried out. A script's own commands count like everybody's. */
async function countCalls(redis: Redis): Promise<number> {
  const stats = await redis.info('commandstats');
  return [...stats.matchAll(/:calls=(\d+)/g)].reduce((sum, [, calls]) => sum + Number(calls), 0);
}
