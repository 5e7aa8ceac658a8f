import { runRole, systemClock } from '@seckill/runtime';
import { createSinglePool } from '../database.ts';
import type { OrderDeps } from '../deps.ts';
import { SaleStore } from '../sales/sale-store.ts';
import { createExpiryStore, Expiry } from './expiry.ts';
import { createExpiryMetrics } from './metrics.ts';

/** Starts the role `expiry`: ends holds past their time. */
export function startExpiry({ config, logger, lifecycle, registry, metrics, wake }: OrderDeps): void {
  const log = logger.child({ role: 'expiry' });
  const pool = createSinglePool(config.databaseUrl, log);
  metrics.observePool('expiry', pool);
  lifecycle.onStop('postgres of expiry', () => pool.end());
  const expiry = new Expiry({
    store: createExpiryStore(pool, new SaleStore(pool)),
    wake,
    clock: systemClock,
    logger: log,
    metrics: { ...metrics, ...createExpiryMetrics(registry) },
    batchCountMax: config.expiryBatchCountMax,
    graceMs: config.expiryGraceMs,
    pollMs: config.expiryPollMs,
  });
  runRole(lifecycle, 'expiry', (signal) => expiry.run(signal));
}
