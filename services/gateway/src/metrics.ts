import { Counter, Histogram, type Registry } from '@seckill/runtime';

/** What the gateway tells of its requests. Its wings have metrics of their own. */
export interface GatewayMetrics {
  reservations: Counter<'outcome'>;
  payments: Counter<'result'>;
  requestSeconds: Histogram<'method' | 'route' | 'status'>;
}

export function createMetrics(registry: Registry): GatewayMetrics {
  const registers = [registry];
  return {
    reservations: new Counter({
      name: 'seckill_gateway_reservations_total',
      help: 'Answers to reservations by outcome',
      labelNames: ['outcome'],
      registers,
    }),
    payments: new Counter({
      name: 'seckill_gateway_payment_notifications_total',
      help: 'Signed payment notifications by result',
      labelNames: ['result'],
      registers,
    }),
    requestSeconds: new Histogram({
      name: 'seckill_gateway_request_seconds',
      help: 'Time from request to answer by route template and status',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    }),
  };
}
