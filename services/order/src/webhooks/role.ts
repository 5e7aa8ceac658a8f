import { runRole, systemClock } from '@seckill/runtime';
import { createWebhooksPool } from '../database.ts';
import type { OrderDeps } from '../deps.ts';
import { createDeliveryStore } from './delivery-store.ts';
import { ATTEMPTS_PER_ENDPOINT, Dispatcher } from './dispatcher.ts';
import { createWebhookMetrics } from './metrics.ts';
import { createSender } from './sender.ts';

/** Starts the role `webhooks`: tells shops' own systems what happened. */
export function startWebhooks({ config, logger, lifecycle, registry, metrics, tracing }: OrderDeps): void {
  const log = logger.child({ role: 'webhooks' });
  const pool = createWebhooksPool(config.databaseUrl, log);
  metrics.observePool('webhooks', pool);
  lifecycle.onStop('postgres of webhooks', () => pool.end());
  const sender = createSender(config.webhookAllowPrivate, ATTEMPTS_PER_ENDPOINT);
  lifecycle.onStop('connections of webhooks', () => sender.close());
  const dispatcher = new Dispatcher({
    store: createDeliveryStore(pool, { isTraced: tracing !== undefined }),
    sender,
    clock: systemClock,
    logger: log,
    metrics: createWebhookMetrics(registry),
    tracing,
  });
  runRole(lifecycle, 'webhooks', (signal) => dispatcher.run(signal));
}
