import { Counter, Histogram, type Registry } from '@seckill/runtime';

export type SettlerMetrics = ReturnType<typeof createSettlerMetrics>;

export function createSettlerMetrics(registry: Registry) {
  const registers = [registry];
  return {
    settlements: new Counter({
      name: 'seckill_stock_settler_settlements_total',
      help: 'Settlements that came from Kafka: `settled`; `returned`, units of a paid order came back (also its `verdict` then); `absent` (a repeat, a retired lane, or one that is left to its load: harmless); `dead_letter`',
      labelNames: ['verdict', 'result'] as const,
      registers,
    }),
    /** Any increase wants a person. */
    alarms: new Counter({
      name: 'seckill_stock_settler_alarms_total',
      help: 'Any increase wants a person: `lane_broken`, the lane contradicts a settlement',
      labelNames: ['reason'] as const,
      registers,
    }),
    retries: new Counter({
      name: 'seckill_stock_settler_retries_total',
      help: 'Attempts repeated because `redis` or `kafka` was away',
      labelNames: ['target'] as const,
      registers,
    }),
    returnSeconds: new Histogram({
      name: 'seckill_stock_settler_return_seconds',
      help: 'From the end of an expired hold to its units being for sale, by the clock of Redis; INV-5 allows 2 s',
      buckets: [0.5, 0.6, 0.75, 1, 1.25, 1.5, 2, 3, 5, 10, 30, 120],
      registers,
    }),
  };
}
