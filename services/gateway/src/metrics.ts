import { Counter, createRequestSeconds, type Registry, type RequestSeconds } from '@seckill/runtime';

/** What the gateway tells of its requests. The gateway's wings have metrics of their own. */
export interface GatewayMetrics {
  reservations: Counter<'outcome'>;
  payments: Counter<'result'>;
  requestSeconds: RequestSeconds;
}

export function createMetrics(registry: Registry): GatewayMetrics {
  const registers = [registry];
  return {
    reservations: new Counter({
      name: 'seckill_gateway_reservations_total',
      help: 'Answers to reservations; a repeat counts as `replayed`. Requests refused before stock is asked are not in it',
      labelNames: ['outcome'],
      registers,
    }),
    payments: new Counter({
      name: 'seckill_gateway_payment_notifications_total',
      help: 'Signed payment notifications, by result, as answered',
      labelNames: ['result'],
      registers,
    }),
    requestSeconds: createRequestSeconds(registry, 'gateway'),
  };
}
