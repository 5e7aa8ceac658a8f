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
      help: 'Reservations rejected from memory, without stock',
      labelNames: ['outcome'],
      registers,
    }),
    announcements: new Counter({
      name: 'seckill_gateway_memory_announcements_total',
      help: 'States of sales heard from stock',
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
      help: 'Whole states asked of stock',
      labelNames: ['result'],
      registers,
    }),
  };
}

/** The age of the state that was heard longest ago, by Redis' clock; NaN while Redis' clock is not known. */
export function observeMemoryAge(registry: Registry, oldestSeconds: () => number): void {
  new Gauge({
    name: 'seckill_gateway_memory_oldest_state_seconds',
    help: 'Age of the oldest remembered state; NaN while the clock of Redis is not known',
    registers: [registry],
    collect() {
      this.set(oldestSeconds());
    },
  });
}
