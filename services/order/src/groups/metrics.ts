import { Counter, type Registry } from '@seckill/runtime';
import type { SharedMetrics } from '../metrics.ts';

export type GroupMetrics = SharedMetrics & ReturnType<typeof createGroupMetrics>;

export function createGroupMetrics(registry: Registry) {
  return {
    groupsDecided: new Counter({
      name: 'seckill_order_groups_decided_total',
      help: 'Group purchases that were decided: `reached`, `failed`',
      labelNames: ['result'] as const,
      registers: [registry],
    }),
  };
}
