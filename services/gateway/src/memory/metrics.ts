import { Counter, Gauge, type Registry } from '@seckill/runtime';

export interface MemoryMetrics {
  answers: Counter<'outcome'>;
  announcements: Counter<'result'>;
  gaps: Counter;
  fullReadings: Counter<'result'>;
}

export function createMemoryMetrics(registry: Registry): MemoryMetrics {
  const registers = [registry];
  return {
    answers: new Counter({
      name: 'seckill_gateway_memory_answers_total',
      help: 'Rejections from memory; they are in `seckill_gateway_reservations_total` too',
      labelNames: ['outcome'],
      registers,
    }),
    announcements: new Counter({
      name: 'seckill_gateway_memory_announcements_total',
      help: 'States heard: `heard`, `invalid`',
      labelNames: ['result'],
      registers,
    }),
    gaps: new Counter({
      name: 'seckill_gateway_memory_gaps_total',
      help: 'Times that reservations were missing and stock was asked for all of them',
      registers,
    }),
    fullReadings: new Counter({
      name: 'seckill_gateway_memory_full_readings_total',
      help: 'Readings of a whole sale at stock: `filled`, `other_epoch`, `too_many` (the sale is left to stock), `failed`',
      labelNames: ['result'],
      registers,
    }),
  };
}

/** How long stock has not vouched for the states; NaN while Redis cannot be heard. */
export function observeMemoryAge(registry: Registry, silentSeconds: () => number): void {
  new Gauge({
    name: 'seckill_gateway_memory_oldest_state_seconds',
    help: 'Time since the last heartbeat, which vouches for the states; NaN while Redis cannot be heard',
    registers: [registry],
    collect() {
      this.set(silentSeconds());
    },
  });
}
