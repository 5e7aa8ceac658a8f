import { Counter, Histogram, type Registry } from '@seckill/runtime';
import type { SharedMetrics } from '../metrics.ts';

export type ExpiryMetrics = SharedMetrics & ReturnType<typeof createExpiryMetrics>;

export function createExpiryMetrics(registry: Registry) {
  const registers = [registry];
  return {
    expiryBatchSeconds: new Histogram({
      name: 'seckill_order_expiry_batch_seconds',
      help: 'Time of a batch of expiry that was not empty',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    }),
    expiryLagSeconds: new Histogram({
      name: 'seckill_order_expiry_lag_seconds',
      help: "From the end of a batch's longest overdue hold to its expiry; 0.5 s of it is the grace",
      buckets: [0.5, 0.55, 0.6, 0.7, 0.8, 1, 1.5, 2, 5, 15, 60],
      registers,
    }),
    expiryRetries: new Counter({
      name: 'seckill_order_expiry_retries_total',
      help: 'Batches repeated because PostgreSQL was away',
      registers,
    }),
  };
}
