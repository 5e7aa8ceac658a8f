import { Counter, Histogram, type Registry } from '@seckill/runtime';

export interface UpstreamMetrics {
  batchItems: Histogram;
  batchFailures: Counter;
}

export function createUpstreamMetrics(registry: Registry): UpstreamMetrics {
  const registers = [registry];
  return {
    batchItems: new Histogram({
      name: 'seckill_gateway_batch_items',
      help: 'Reservations in one call to stock',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers,
    }),
    batchFailures: new Counter({
      name: 'seckill_gateway_batch_failures_total',
      help: 'Calls to stock whose reservations were answered `outcome_unknown`',
      registers,
    }),
  };
}
