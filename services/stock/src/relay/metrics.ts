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
      help: 'Passes that failed and are repeated: Kafka or Redis is away',
      registers,
    }),
    outboxEntries: new Gauge({
      name: 'seckill_stock_outbox_entries',
      help: 'Entries of the outbox that wait for Kafka, of lanes that have sold, against `RELAY_OUTBOX_COUNT_MAX`',
      labelNames: ['lane'],
      registers,
    }),
    outboxOldestSeconds: new Gauge({
      name: 'seckill_stock_outbox_oldest_age_seconds',
      help: 'Age of the oldest entry of the outbox, by the clock of Redis',
      labelNames: ['lane'],
      registers,
    }),
    units: new Gauge({
      name: 'seckill_stock_units',
      help: 'Units of all items of a lane that has sold: `total` = `available` + `held` + `paid`',
      labelNames: ['lane', 'state'],
      registers,
    }),
    orphans: new Counter({
      name: 'seckill_stock_relay_orphans_total',
      help: 'Holds without settlement, published again; any increase wants a person',
      registers,
    }),
    retired: new Counter({
      name: 'seckill_stock_relay_retired_lanes_total',
      help: 'Lanes removed a day after their last hold',
      registers,
    }),
  };
}
