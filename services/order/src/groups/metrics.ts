import { Counter, Gauge, type Registry } from '@seckill/runtime';
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
    groupsWaiting: new Gauge({
      name: 'seckill_order_groups_waiting',
      help: 'Group purchases of closed sales that are not decided',
      registers: [registry],
    }),
    groupsDamaged: new Gauge({
      name: 'seckill_order_groups_damaged',
      help: 'Group purchases that wait because what is stored of their sale contradicts itself; anything but 0 wants a person',
      registers: [registry],
    }),
    groupsOverdueSeconds: new Gauge({
      name: 'seckill_order_groups_overdue_seconds',
      help: 'How long ago the last hold of the oldest of them ended, from the close and `holdSeconds`; 0 while it may last',
      registers: [registry],
    }),
  };
}
