import { Redis } from 'ioredis';

/** First and last slot that a primary serves. */
type SlotRange = [first: number, last: number];

/**
 * Finds ids of sales by the primary of a Redis Cluster that their lanes lie on.
 * @returns for each primary, in the order of its slots, as many ids as were asked for
 */
export async function findSaleIds(redisUrl: string, prefix: string, countEach: number): Promise<string[][]> {
  const redis = new Redis(redisUrl);
  try {
    const slots = (await redis.cluster('SLOTS')) as [number, number, ...unknown[]][];
    const ranges = slots.map(([first, last]): SlotRange => [first, last]).sort(([a], [b]) => a - b);
    const found = ranges.map((): string[] => []);
    for (let number = 0; found.some((ids) => ids.length < countEach); number += 1) {
      const saleId = `${prefix}-${number}`;
      const slot = await redis.cluster('KEYSLOT', `seckill:{${saleId}:0}:state`);
      const place = ranges.findIndex(([first, last]) => first <= slot && slot <= last);
      const ids = found[place];
      if (ids !== undefined && ids.length < countEach) ids.push(saleId);
    }
    return found;
  } finally {
    redis.disconnect();
  }
}
