import {
  checkKafkaAccess,
  createLogger,
  createRegistry,
  Lifecycle,
  readConfigOrExit,
  serveMetrics,
  systemClock,
  type Logger,
} from '@seckill/runtime';
import { createApp, type Api } from './app.ts';
import { ClockSkew, createClockStore } from './sales/clock-skew.ts';
import { readConfig, type Config } from './config.ts';
import { createExpiryPool, createHttpPool } from './database.ts';
import { liftEpochs } from './recovery/epochs.ts';
import { createExpiryStore, Expiry } from './expiry/expiry.ts';
import { Handover, HANDOVER_CONCURRENCY } from './sales/control-sync.ts';
import { startIntake, startRelay } from './kafka-roles.ts';
import { LedgerReader } from './audit/ledger-reading.ts';
import { createMetrics } from './metrics.ts';
import { Orders } from './orders/orders.ts';
import { Payments } from './payments/payments.ts';
import { runRole, type Process } from './process.ts';
import { Rebuild } from './recovery/recovery.ts';
import { storeRestock } from './sales/restock-store.ts';
import { SaleStore } from './sales/sale-store.ts';
import { Sales } from './sales/sales.ts';
import { createStockClient } from './stock-client.ts';

/** Opened first, closed last: what a role uses must outlive it. */
async function start(config: Config, logger: Logger, lifecycle: Lifecycle): Promise<void> {
  await checkKafkaAccess(config.kafka, logger);
  const registry = createRegistry();
  const metrics = createMetrics(registry);
  const context: Process = { config, logger, lifecycle, metrics, poke: () => undefined };
  const server = await serveMetrics(registry, { host: config.host, port: config.metricsPort });
  lifecycle.onStop('metrics', () => server.close());

  // The relay first, so that it ends last and publishes what the others end with.
  if (config.roles.includes('relay')) context.poke = startRelay(context);
  const api = config.roles.includes('http') ? startApi(context) : undefined;
  if (config.roles.includes('intake')) startIntake(context);
  if (config.roles.includes('expiry')) startExpiry(context);

  const app = createApp({
    logger,
    isReady: () => lifecycle.isReady,
    tokens: { gateway: config.gatewayToken, stock: config.stockToken },
    // Health is answered whatever the roles.
    ...(api === undefined ? {} : { api }),
  });
  lifecycle.onStop('http', () => app.close());
  const url = await app.listen({ host: config.host, port: config.port });
  lifecycle.ready();
  logger.info({ url, roles: config.roles }, 'started');
}

function startApi({ config, logger, lifecycle, metrics, poke }: Process): Api {
  const pool = createHttpPool(config.databaseUrl, logger);
  lifecycle.onStop('postgres of http', () => pool.end());
  const stock = createStockClient({
    url: config.stockUrl,
    token: config.orderToken,
    // And one for the clock, which must not wait behind a load.
    connections: HANDOVER_CONCURRENCY + 1,
  });
  lifecycle.onStop('stock client', () => stock.close());

  const store = new SaleStore(pool);
  const handover = new Handover({
    store,
    liftEpochs: (seen) => liftEpochs(pool, seen),
    stock,
    clock: systemClock,
    logger: logger.child({ part: 'handover' }),
    metrics,
  });
  runRole(lifecycle, 'handover', (signal) => handover.run(signal));
  const clockSkew = new ClockSkew({
    store: createClockStore(pool),
    stock,
    clock: systemClock,
    logger: logger.child({ part: 'clock skew' }),
    metrics,
  });
  runRole(lifecycle, 'clock skew', (signal) => clockSkew.run(signal));
  const sales = new Sales({
    store,
    storeRestock: (restock) => storeRestock(pool, restock),
    poke: (saleId) => {
      handover.poke(saleId);
    },
    clock: systemClock,
  });
  const parts = { pool, poke, logger, metrics };
  return {
    sales,
    rebuild: new Rebuild({ pool, store, clock: systemClock }),
    ledger: new LedgerReader(pool, { graceMs: config.expiryGraceMs }),
    orders: new Orders(parts),
    payments: new Payments(parts),
    isSandbox: config.payments === 'sandbox',
  };
}

function startExpiry({ config, logger, lifecycle, metrics, poke }: Process): void {
  const log = logger.child({ role: 'expiry' });
  const pool = createExpiryPool(config.databaseUrl, log);
  lifecycle.onStop('postgres of expiry', () => pool.end());
  const expiry = new Expiry({
    store: createExpiryStore(pool, new SaleStore(pool)),
    poke,
    clock: systemClock,
    logger: log,
    metrics,
    batchCountMax: config.expiryBatchCountMax,
    graceMs: config.expiryGraceMs,
    pollMs: config.expiryPollMs,
  });
  runRole(lifecycle, 'expiry', (signal) => expiry.run(signal));
}

const config = readConfigOrExit(readConfig);
const logger = createLogger('order', config.logLevel);
const lifecycle = new Lifecycle(logger, { drainMs: config.drainMs });
try {
  await start(config, logger, lifecycle);
} catch (error) {
  lifecycle.fail(error, 'could not start');
}
