import { Counter, type Registry } from '@seckill/runtime';

export type AnnouncerMetrics = ReturnType<typeof createAnnouncerMetrics>;

export function createAnnouncerMetrics(registry: Registry) {
  const registers = [registry];
  return {
    announcements: new Counter({
      name: 'seckill_stock_announcements_total',
      help: 'States told to the gateways',
      registers,
    }),
    announcementFailures: new Counter({
      name: 'seckill_stock_announcement_failures_total',
      help: 'States that could not be told; gateways ask stock meanwhile',
      registers,
    }),
  };
}
