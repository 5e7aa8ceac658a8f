import { Counter, Gauge, type Registry } from '@seckill/runtime';
import type { SharedMetrics } from '../metrics.ts';

export type SalesMetrics = SharedMetrics & ReturnType<typeof createSalesMetrics>;

export function createSalesMetrics(registry: Registry) {
  const registers = [registry];
  return {
    controlSyncCalls: new Counter({
      name: 'seckill_order_control_sync_calls_total',
      help: 'Control states sent to stock, by outcome',
      labelNames: ['outcome'] as const,
      registers,
    }),
    clockSkewSeconds: new Gauge({
      name: 'seckill_order_clock_skew_seconds',
      help: 'By how much the clock of Redis is ahead of that of Postgres; NaN while it cannot be measured; written by role http',
      registers,
    }),
    /** Any increase wants a person: holds end at another time than the buyer was told. */
    clockSkewAlarms: new Counter({
      name: 'seckill_order_clock_skew_alarms_total',
      help: 'Measurements, one in 10 s, by which the clocks of Redis and Postgres surely differ by more than 0.5 s',
      registers,
    }),
  };
}
