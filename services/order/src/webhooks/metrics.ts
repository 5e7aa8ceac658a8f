import { Counter, Gauge, type Registry } from '@seckill/runtime';

export type WebhookMetrics = ReturnType<typeof createWebhookMetrics>;

export function createWebhookMetrics(registry: Registry) {
  const registers = [registry];
  return {
    webhookAttempts: new Counter({
      name: 'seckill_order_webhook_attempts_total',
      help: 'Attempts to tell an endpoint of an event, by result: delivered, retried, given_up, gone',
      labelNames: ['result'] as const,
      registers,
    }),
    webhooksPending: new Gauge({
      name: 'seckill_order_webhooks_pending',
      help: 'Events that endpoints have not been told of yet, by PostgreSQL',
      registers,
    }),
    webhooksOldestSeconds: new Gauge({
      name: 'seckill_order_webhooks_oldest_seconds',
      help: 'Age of the oldest event that an endpoint has not been told of; 0 when there is none',
      registers,
    }),
  };
}
