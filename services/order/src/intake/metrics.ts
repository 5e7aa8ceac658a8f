import { Counter, Gauge, Histogram, type Registry } from '@seckill/runtime';
import type { SharedMetrics } from '../metrics.ts';

export type IntakeMetrics = SharedMetrics & ReturnType<typeof createIntakeMetrics>;

export function createIntakeMetrics(registry: Registry) {
  const registers = [registry];
  return {
    intakeMessages: new Counter({
      name: 'seckill_order_intake_messages_total',
      help: 'Reservations that came from Kafka: `stored`, `duplicate`, `refused`, `dead_letter`',
      labelNames: ['outcome'] as const,
      registers,
    }),
    /** A person has to look at any increase: Redis lost or forked history, or Kafka lost messages. */
    intakeAlarms: new Counter({
      name: 'seckill_order_intake_alarms_total',
      help: 'Any increase wants a person: `ledger`, `key_clash`, `sequence_fork` (Redis lost or forked its history), `limit` (a limit or cap would be exceeded by an order that came after its sale was loaded anew, or by one sold before that order was known), `gap` (Kafka lost messages), `anew` (a partition begins below what is stored: Kafka lost its disk, or the topic was made anew)',
      labelNames: ['reason'] as const,
      registers,
    }),
    intakeRetries: new Counter({
      name: 'seckill_order_intake_retries_total',
      help: 'Attempts repeated because `postgres` or `kafka` was away',
      labelNames: ['target'] as const,
      registers,
    }),
    intakeBatchSeconds: new Histogram({
      name: 'seckill_order_intake_batch_seconds',
      help: 'Time to store a chunk, waits included',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    storedSeconds: new Histogram({
      name: 'seckill_order_intake_stored_seconds',
      help: 'From the promise of an order, by the clock of Redis, to the commit of its row, by that of PostgreSQL',
      buckets: [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 120],
      registers,
    }),
    intakeLagMessages: new Gauge({
      name: 'seckill_order_intake_lag_messages',
      help: 'Reservations that Kafka has and PostgreSQL does not, in the partitions of this process, as the last batches told',
      registers,
    }),
    settlementsRepeated: new Counter({
      name: 'seckill_order_settlements_repeated_total',
      help: 'Settlements written again for orphaned holds: they had been lost',
      registers,
    }),
  };
}
