import { createRequestSeconds, Gauge, type Registry, type RequestSeconds } from '@seckill/runtime';
import type { Connections } from './redis/connections.ts';

/** What a process of stock tells of itself, whatever its roles. */
export interface StockMetrics {
  requestSeconds: RequestSeconds;
}

export function createMetrics(registry: Registry, connections: Pick<Connections, 'all'>): StockMetrics {
  new Gauge({
    name: 'seckill_stock_redis_waiting_commands',
    help: 'Commands that were sent to Redis and wait for their answers',
    registers: [registry],
    collect() {
      const waiting = connections.all().map(({ redis }) => redis.commandQueue.length);
      this.set(waiting.reduce((sum, length) => sum + length, 0));
    },
  });
  return { requestSeconds: createRequestSeconds(registry, 'stock') };
}
