import { Counter, Gauge, type Registry } from '@seckill/runtime';

export type RelayMetrics = ReturnType<typeof createRelayMetrics>;

export function createRelayMetrics(registry: Registry) {
  const registers = [registry];
  return {
    messages: new Counter({
      name: 'seckill_stock_relay_messages_total',
      help: 'Messages that Kafka confirmed',
      registers,
    }),
    failures: new Counter({
      name: 'seckill_stock_relay_failures_total',
      help: 'Passes of the relay that failed and are repeated',
      registers,
    }),
    outboxEntries: new Gauge({
      name: 'seckill_stock_outbox_entries',
      help: 'Entries waiting for Kafka',
      labelNames: ['lane'],
      registers,
    }),
    outboxOldestSeconds: new Gauge({
      name: 'seckill_stock_outbox_oldest_age_seconds',
      help: 'Age of the first entry waiting for Kafka, by the clock of Redis',
      labelNames: ['lane'],
      registers,
    }),
    orphans: new Counter({
      name: 'seckill_stock_relay_orphans_total',
      help: 'Holds long past their end without settlement, published again; an increase wants a person',
      registers,
    }),
    retired: new Counter({
      name: 'seckill_stock_relay_retired_lanes_total',
      help: 'Lanes removed a day after their sale was over',
      registers,
    }),
  };
}
