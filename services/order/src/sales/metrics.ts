import { Counter, type Registry } from '@seckill/runtime';
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
  };
}
