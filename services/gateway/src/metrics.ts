import { Counter, Gauge, Histogram, type Registry } from '@seckill/runtime';

export interface Metrics {
  reservations: Counter<'outcome'>;
  batchItems: Histogram;
  batchFailures: Counter;
  payments: Counter<'result'>;
  shed: Counter<'reason'>;
  inFlight: Gauge;
  limitFailures: Counter;
  requestSeconds: Histogram<'method' | 'route' | 'status'>;
}

export function createMetrics(registry: Registry): Metrics {
  return {
    reservations: new Counter({
      name: 'seckill_gateway_reservations_total',
      help: 'Answers to reservations by outcome',
      labelNames: ['outcome'],
      registers: [registry],
    }),
    batchItems: new Histogram({
      name: 'seckill_gateway_batch_items',
      help: 'Reservations in one call to stock',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers: [registry],
    }),
    batchFailures: new Counter({
      name: 'seckill_gateway_batch_failures_total',
      help: 'Calls to stock whose items are of unknown outcome',
      registers: [registry],
    }),
    payments: new Counter({
      name: 'seckill_gateway_payment_notifications_total',
      help: 'Signed payment notifications by result',
      labelNames: ['result'],
      registers: [registry],
    }),
    shed: new Counter({
      name: 'seckill_gateway_shed_requests_total',
      help: 'Requests refused because too many were in flight or the event loop was late',
      labelNames: ['reason'],
      registers: [registry],
    }),
    inFlight: new Gauge({
      name: 'seckill_gateway_requests_in_flight',
      help: 'Requests that are being served',
      registers: [registry],
    }),
    limitFailures: new Counter({
      name: 'seckill_gateway_limit_failures_total',
      help: 'Requests counted in this process because the shared Redis of the limits failed',
      registers: [registry],
    }),
    requestSeconds: new Histogram({
      name: 'seckill_gateway_request_seconds',
      help: 'Time from request to answer by route template and status',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers: [registry],
    }),
  };
}

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
      help: 'Times that users were missing and stock was asked for all of them',
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

/** Of the state that was heard longest ago, by Redis' clock; NaN while Redis' clock is not known. */
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
