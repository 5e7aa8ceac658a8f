import { Counter, Gauge, Histogram, type Registry } from '@seckill/runtime';

export type OrderMetrics = ReturnType<typeof createMetrics>;

export function createMetrics(registry: Registry) {
  const registers = [registry];
  return {
    controlSyncCalls: new Counter({
      name: 'seckill_order_control_sync_calls_total',
      help: 'Control states sent to stock, by outcome',
      labelNames: ['outcome'] as const,
      registers,
    }),
    intakeMessages: new Counter({
      name: 'seckill_order_intake_messages_total',
      help: 'Messages of seckill.reservations, by outcome: stored, duplicate, refused, dead_letter',
      labelNames: ['outcome'] as const,
      registers,
    }),
    /** Any increase wants a person: Redis lost or forked history, or Kafka lost messages. */
    intakeAlarms: new Counter({
      name: 'seckill_order_intake_alarms_total',
      help: 'Orders refused by reason (ledger, limit, key_clash, sequence_fork), gaps in a partition (gap), partitions that begin anew (anew)',
      labelNames: ['reason'] as const,
      registers,
    }),
    /** Any increase wants a person: Redis, Kafka or Postgres lost something. */
    distrustedEpochs: new Counter({
      name: 'seckill_order_distrusted_epochs_total',
      help: 'Epochs that are not trusted any more, each once, by reason: refused, late_row, restored; the sale is loaded anew',
      labelNames: ['reason'] as const,
      registers,
    }),
    intakeRetries: new Counter({
      name: 'seckill_order_intake_retries_total',
      help: 'Attempts repeated because Postgres or Kafka was away',
      labelNames: ['target'] as const,
      registers,
    }),
    intakeBatchSeconds: new Histogram({
      name: 'seckill_order_intake_batch_seconds',
      help: 'Time to store one chunk, waits included',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    payments: new Counter({
      name: 'seckill_order_payments_total',
      help: 'Payment notices answered, by result: paid, already_paid, refund_due, recorded',
      labelNames: ['result'] as const,
      registers,
    }),
    /** Any increase wants a person: `npm run refunds` lists them. */
    refundsDue: new Counter({
      name: 'seckill_order_refunds_due_total',
      help: 'Payments that buy nothing, each once, by reason: wrong_amount, order_ended, second_payment, other_order, unknown_order',
      labelNames: ['reason'] as const,
      registers,
    }),
    waitingNotices: new Gauge({
      name: 'seckill_order_payments_waiting_notices',
      help: 'Payment notices that have waited for their order for more than a minute; written by role relay',
      registers,
    }),
    ordersEnded: new Counter({
      name: 'seckill_order_orders_ended_total',
      help: 'Orders ended, by verdict: paid, cancelled, expired, refused',
      labelNames: ['verdict'] as const,
      registers,
    }),
    settlementsRepeated: new Counter({
      name: 'seckill_order_settlements_repeated_total',
      help: 'Settlements written again because stock still held what had ended: they had been lost on the way',
      registers,
    }),
    expiryBatchSeconds: new Histogram({
      name: 'seckill_order_expiry_batch_seconds',
      help: 'Time to expire one batch that was not empty',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    }),
    expiryLagSeconds: new Histogram({
      name: 'seckill_order_expiry_lag_seconds',
      help: 'From the end of the longest overdue hold of a batch to its expiry; the grace is part of it',
      buckets: [0.5, 0.55, 0.6, 0.7, 0.8, 1, 1.5, 2, 5, 15, 60],
      registers,
    }),
    expiryRetries: new Counter({
      name: 'seckill_order_expiry_retries_total',
      help: 'Batches repeated because Postgres was away',
      registers,
    }),
    relayMessages: new Counter({
      name: 'seckill_order_relay_messages_total',
      help: 'Messages of the outbox that Kafka confirmed',
      registers,
    }),
    relayFailures: new Counter({
      name: 'seckill_order_relay_failures_total',
      help: 'Passes over the outbox that failed; their messages are published again',
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
    outboxMessages: new Gauge({
      name: 'seckill_order_outbox_unpublished_messages',
      help: 'Messages of the outbox that wait for Kafka',
      registers,
    }),
    outboxOldestSeconds: new Gauge({
      name: 'seckill_order_outbox_oldest_seconds',
      help: 'Age of the oldest message that waits for Kafka',
      registers,
    }),
  };
}
