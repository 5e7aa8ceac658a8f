import { Counter, Histogram, type Registry } from '@seckill/runtime';

export type ReserveMetrics = ReturnType<typeof createReserveMetrics>;

export function createReserveMetrics(registry: Registry) {
  const registers = [registry];
  return {
    answers: new Counter({
      name: 'seckill_stock_reserve_answers_total',
      help: 'Answers to the items of reserve batches',
      labelNames: ['outcome'],
      registers,
    }),
    batchItems: new Histogram({
      name: 'seckill_stock_reserve_batch_items',
      help: 'Items in a reserve batch',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers,
    }),
    batchSeconds: new Histogram({
      name: 'seckill_stock_reserve_batch_seconds',
      help: 'Time that Redis took for a reserve batch',
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5],
      registers,
    }),
  };
}
