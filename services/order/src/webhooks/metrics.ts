import { Counter, Gauge, type Registry } from '@seckill/runtime';

export type WebhookMetrics = ReturnType<typeof createWebhookMetrics>;

export function createWebhookMetrics(registry: Registry) {
  const registers = [registry];
  return {
    webhookAttempts: new Counter({
      name: 'seckill_order_webhook_attempts_total',
      help: 'Attempts to tell an endpoint: `delivered`, `retried`, `given_up`, `gone` (it answered 410)',
      labelNames: ['result'] as const,
      registers,
    }),
    webhooksPending: new Gauge({
      name: 'seckill_order_webhooks_pending',
      help: 'Events that endpoints have not been told of, written by the role `webhooks` every 5 s',
      registers,
    }),
    webhooksOldestSeconds: new Gauge({
      name: 'seckill_order_webhooks_oldest_seconds',
      help: 'Age of the oldest event that an endpoint has not been told of; those of a paused endpoint count too',
      registers,
    }),
  };
}
