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
      help: 'Refused as `overloaded`: `requests` in flight, or the `event_loop` a second late',
      labelNames: ['reason'],
      registers,
    }),
    inFlight: new Gauge({
      name: 'seckill_gateway_requests_in_flight',
      help: 'Requests that are being answered, against `HTTP_REQUESTS_COUNT_MAX`',
      registers,
    }),
    failures: new Counter({
      name: 'seckill_gateway_limit_failures_total',
      help: 'Requests counted by this process because `RATE_LIMIT_REDIS_URL` is away',
      registers,
    }),
  };
}
