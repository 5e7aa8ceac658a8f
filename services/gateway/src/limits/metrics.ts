import { Counter, Gauge, type Registry } from '@seckill/runtime';

export interface LimitMetrics {
  shed: Counter<'reason'>;
  inFlight: Gauge;
  failures: Counter;
}

export function createLimitMetrics(registry: Registry): LimitMetrics {
  const registers = [registry];
  return {
    shed: new Counter({
      name: 'seckill_gateway_shed_requests_total',
      help: 'Requests refused because too many were in flight or the event loop was late',
      labelNames: ['reason'],
      registers,
    }),
    inFlight: new Gauge({
      name: 'seckill_gateway_requests_in_flight',
      help: 'Requests that are being served',
      registers,
    }),
    failures: new Counter({
      name: 'seckill_gateway_limit_failures_total',
      help: 'Requests counted in this process because the shared Redis of the limits failed',
      registers,
    }),
  };
}
