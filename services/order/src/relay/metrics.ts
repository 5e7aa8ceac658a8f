import { Counter, Gauge, type Registry } from '@seckill/runtime';

export type RelayMetrics = ReturnType<typeof createRelayMetrics>;

export function createRelayMetrics(registry: Registry) {
  const registers = [registry];
  return {
    relayMessages: new Counter({
      name: 'seckill_order_relay_messages_total',
      help: 'Messages of the outbox that Kafka confirmed',
      registers,
    }),
    relayFailures: new Counter({
      name: 'seckill_order_relay_failures_total',
      help: 'Passes that failed and are repeated',
      registers,
    }),
    outboxMessages: new Gauge({
      name: 'seckill_order_outbox_unpublished_messages',
      help: 'Messages of the outbox that wait for Kafka',
      registers,
    }),
    outboxOldestSeconds: new Gauge({
      name: 'seckill_order_outbox_oldest_seconds',
      help: 'Age of the oldest message of the outbox that waits for Kafka',
      registers,
    }),
    /** Above 0 wants a person: `npm run notices` lists them. */
    keptNotices: new Gauge({
      name: 'seckill_order_payments_kept_notices',
      help: 'Signed notices that were not understood and wait; above 0 wants a person',
      registers,
    }),
    dueRefunds: new Gauge({
      name: 'seckill_order_payments_due_refunds',
      help: 'Refunds that are due and not marked done; written by role relay',
      registers,
    }),
    dueRefundsAmount: new Gauge({
      name: 'seckill_order_payments_due_minor_units',
      help: 'Money of these refunds in minor units, by `currency`; written by role relay',
      labelNames: ['currency'] as const,
      registers,
    }),
    waitingNotices: new Gauge({
      name: 'seckill_order_payments_waiting_notices',
      help: 'Notices that have waited for their order for more than a minute: a message is missing; after 5 minutes `refunds` lists them',
      registers,
    }),
  };
}
