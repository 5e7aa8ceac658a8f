import { Counter, Histogram, type Registry } from '@seckill/runtime';
import type { SharedMetrics } from '../metrics.ts';

export type IntakeMetrics = SharedMetrics & ReturnType<typeof createIntakeMetrics>;

export function createIntakeMetrics(registry: Registry) {
  const registers = [registry];
  return {
    intakeMessages: new Counter({
      name: 'seckill_order_intake_messages_total',
      help: 'Messages of seckill.reservations, by outcome: stored, duplicate, refused, dead_letter',
      labelNames: ['outcome'] as const,
      registers,
    }),
    /** A person has to look at any increase: Redis lost or forked history, or Kafka lost messages. */
    intakeAlarms: new Counter({
      name: 'seckill_order_intake_alarms_total',
      help: 'Orders refused by reason (ledger, limit, key_clash, sequence_fork), gaps in a partition (gap), partitions that begin anew (anew)',
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
    settlementsRepeated: new Counter({
      name: 'seckill_order_settlements_repeated_total',
      help: 'Settlements written again because stock still held what had ended: they had been lost on the way',
      registers,
    }),
  };
}
