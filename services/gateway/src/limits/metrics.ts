import { Counter, Gauge, type Registry } from '@seckill/runtime';

export interface LimitMetrics {
  shed: Counter<'reason'>;
  /** Names who knows how many requests are in flight; asked when metrics are read, not for each request. */
  readInFlight: (read: () => number) => void;
  failures: Counter;
}

export function createLimitMetrics(registry: Registry): LimitMetrics {
  const registers = [registry];
  let readInFlight = () => 0;
  new Gauge({
    name: 'seckill_gateway_requests_in_flight',
    help: 'Requests that are being answered, against `HTTP_REQUESTS_COUNT_MAX`',
    registers,
    collect() {
      this.set(readInFlight());
    },
  });
  return {
    shed: new Counter({
      name: 'seckill_gateway_shed_requests_total',
      help: 'Refused as `overloaded`: `requests` in flight, or the `event_loop` a second late',
      labelNames: ['reason'],
      registers,
    }),
    readInFlight: (read) => {
      readInFlight = read;
    },
    failures: new Counter({
      name: 'seckill_gateway_limit_failures_total',
      help: 'Requests counted by this process because `RATE_LIMIT_REDIS_URL` is away',
      registers,
    }),
  };
}
