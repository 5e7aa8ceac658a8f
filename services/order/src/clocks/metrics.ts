import { Counter, Gauge, type Registry } from '@seckill/runtime';

export type ClockMetrics = ReturnType<typeof createClockMetrics>;

export function createClockMetrics(registry: Registry) {
  const registers = [registry];
  return {
    clockSkewSeconds: new Gauge({
      name: 'seckill_order_clock_skew_seconds',
      help: "By how much Redis' clock is ahead of PostgreSQL's, measured every 10 s; NaN while stock or PostgreSQL cannot be asked",
      registers,
    }),
    /** Any increase wants a person: holds end at another time than the buyer was told. */
    clockSkewAlarms: new Counter({
      name: 'seckill_order_clock_skew_alarms_total',
      help: 'Measurements that surely exceed 0.5 s; any increase wants a person',
      registers,
    }),
  };
}
