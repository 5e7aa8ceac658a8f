/**
 * Baseline: optimistic locking in Redis. A reservation sends WATCH for the counter, reads the counter and the
 * key, then sends MULTI … EXEC. The reservation starts again when another buyer was faster. WATCH belongs to
 * a connection, so each reservation under way has a connection of its own.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatReservationId, type Reservation } from '@seckill/contracts';
import { createLogger, createRedis } from '@seckill/runtime';
import type { Redis } from 'ioredis';
import { toReservation, type ItemCounts, type SaleItemInput } from './contracts.ts';
import { serveShop, type Shop, type ShopAnswer, type ShopRequest } from './shop.ts';

/**
 * One wins of the reservations that read at the same time. More connections lose more rounds, fewer leave
 * Redis idle.
 */
const CONNECTIONS = 4;
/**
 * Connections of one event loop fall into step, and then one of them loses round after round: up to 306 in
 * 14,525 reservations. With a random wait after every second round one lost at most 54 in 15,704, at the same
 * rate (two runs of 8 s each). A reservation gives up after about twice that many.
 */
const ATTEMPTS_MAX = 100;
const STEP_ATTEMPTS = 2;
const STEP_MS = 4;

await serveShop('redis-watch', (reader) => {
  const url = reader.url('REDIS_URL', ['redis', 'rediss']);
  return () => openRedisShop(url);
});

async function openRedisShop(url: string): Promise<Shop> {
  const idle: Redis[] = [];
  const waiting: ((redis: Redis) => void)[] = [];
  const all = await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const redis = createRedis(url, createLogger('redis-watch', 'warn'));
      await redis.connect();
      idle.push(redis);
      return redis;
    }),
  );
  // The queue is bounded by the connections of HTTP clients, because each connection waits for its answer.
  const take = () => {
    const redis = idle.pop();
    return redis === undefined
      ? new Promise<Redis>((resolve) => waiting.push(resolve))
      : Promise.resolve(redis);
  };
  const give = (redis: Redis) => {
    const next = waiting.shift();
    if (next === undefined) idle.push(redis);
    else next(redis);
  };
  const withRedis = async <Result>(work: (redis: Redis) => Promise<Result>): Promise<Result> => {
    const redis = await take();
    try {
      return await work(redis);
    } finally {
      give(redis);
    }
  };
  return {
    open: (saleId, items) => withRedis((redis) => openSale(redis, saleId, items)),
    reserve: (request) => withRedis((redis) => reserve(redis, request)),
    count: (saleId) => withRedis((redis) => count(redis, saleId)),
    async close() {
      await Promise.all(all.map((redis) => redis.quit()));
    },
  };
}

const keysOf = (saleId: string) => ({
  available: (sku: string) => `bench-watch:{${saleId}}:available:${sku}`,
  items: `bench-watch:{${saleId}}:items`,
  orders: `bench-watch:{${saleId}}:orders`,
});

interface StoredItem {
  total: number;
  price: number;
  currency: string;
}

async function openSale(redis: Redis, saleId: string, items: SaleItemInput[]): Promise<void> {
  const keys = keysOf(saleId);
  for (const { sku, total = 0, price } of items) {
    const item: StoredItem = { total, price: price.amount, currency: price.currency };
    await redis.hset(keys.items, sku, JSON.stringify(item));
    await redis.setnx(keys.available(sku), total);
  }
}

async function reserve(redis: Redis, request: ShopRequest): Promise<ShopAnswer> {
  const { saleId, userId, idempotencyKey, sku, quantity, channelId } = request;
  const keys = keysOf(saleId);
  const field = `${userId.length}:${userId}${idempotencyKey}`;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const replies = await redis
      .pipeline()
      .watch(keys.available(sku))
      .get(keys.available(sku))
      .hget(keys.items, sku)
      .hget(keys.orders, field)
      .exec();
    const [, available, item, known] = (replies ?? []).map(([error, reply]) => {
      if (error !== null) throw error;
      return reply as string | null;
    });
    if (typeof known === 'string') return replay(JSON.parse(known) as Reservation, request);
    if (typeof available !== 'string' || typeof item !== 'string') return { outcome: 'sku_not_found' };
    if (Number(available) < quantity) return { outcome: 'sold_out' };
    const { price, currency } = JSON.parse(item) as StoredItem;
    const id = formatReservationId({ saleId, lane: 0, suffix: randomBytes(16).toString('base64url') });
    const facts = { id, saleId, userId, sku, quantity, channelId, price, currency, reservedAt: Date.now() };
    const reservation = toReservation(facts);
    // All commands go out in one write.
    const done = await redis
      .multi()
      .decrby(keys.available(sku), quantity)
      .hset(keys.orders, field, JSON.stringify(reservation))
      .exec();
    if (done !== null) return { outcome: 'reserved', replayed: false, reservation };
    if (attempt % STEP_ATTEMPTS === 1) await sleep(Math.random() * STEP_MS);
  }
  return { outcome: 'overloaded' };
}

function replay(reservation: Reservation, { sku, quantity, channelId }: ShopRequest): ShopAnswer {
  const [line] = reservation.lines;
  const isSame = line?.sku === sku && line.quantity === quantity && reservation.channelId === channelId;
  return isSame ? { outcome: 'reserved', replayed: true, reservation } : { outcome: 'key_reused' };
}

async function count(redis: Redis, saleId: string): Promise<ItemCounts> {
  const keys = keysOf(saleId);
  const items = await redis.hgetall(keys.items);
  const counts: ItemCounts = { total: 0, available: 0, held: 0, orders: 0 };
  for (const [sku, text] of Object.entries(items)) {
    counts.total += (JSON.parse(text) as StoredItem).total;
    counts.available += Number(await redis.get(keys.available(sku)));
  }
  // The orders are read in pieces, because an answer with 100,000 orders takes longer than a command may.
  let cursor = '0';
  do {
    const [next, entries] = await redis.hscan(keys.orders, cursor, 'COUNT', 1_000);
    for (let index = 1; index < entries.length; index += 2) {
      counts.orders += 1;
      const { lines } = JSON.parse(entries[index] ?? '') as Reservation;
      for (const { quantity } of lines) counts.held += quantity;
    }
    cursor = next;
  } while (cursor !== '0');
  return counts;
}
