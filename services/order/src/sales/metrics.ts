import { Counter, Gauge, type Registry } from '@seckill/runtime';
import type { SharedMetrics } from '../metrics.ts';

export type SalesMetrics = SharedMetrics & ReturnType<typeof createSalesMetrics>;

export function createSalesMetrics(registry: Registry) {
  const registers = [registry];
  return {
    controlSyncCalls: new Counter({
      name: 'seckill_order_control_sync_calls_total',
      help: 'Control states sent to stock: `acknowledged`, `failed`',
      labelNames: ['outcome'] as const,
      registers,
    }),
    clockSkewSeconds: new Gauge({
      name: 'seckill_order_clock_skew_seconds',
      help: "By how much Redis' clock is ahead of PostgreSQL's, measured every 10 s; NaN while stock or PostgreSQL cannot be asked",
      registers,
    }),
    /** Any increase wants a person: holds end at another time than the buyer was told. */
    clockSkewAlarms: new Counter({
      name: 'seckill_order_clock_skew_alarms_total',
      help: 'Measurements that surely exceed 0.5 s; any increase wants a person',
      registers,
    }),
  };
}
