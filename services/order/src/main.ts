import {
  createKafka,
  createLogger,
  createProducer,
  createPublisher,
  createRegistry,
  Lifecycle,
  serveMetrics,
  systemClock,
  type Logger,
  type Publisher,
} from '@seckill/runtime';
import { createApp, type Api } from './app.ts';
import { readConfig, type Config, type Role } from './config.ts';
import { createExpiryPool, createHttpPool, createIntakePool, createRelayPool } from './database.ts';
import { createExpiryStore, Expiry } from './expiry.ts';
import { Handover, HANDOVER_CONCURRENCY } from './handover.ts';
import { consumeReservations } from './intake-consumer.ts';
import { createIntakeStore } from './intake-store.ts';
import { Intake } from './intake.ts';
import { createMetrics, type OrderMetrics } from './metrics.ts';
import { Orders } from './orders.ts';
import { createOutboxStore } from './outbox.ts';
import { Payments } from './payments.ts';
import { Relay } from './relay.ts';
import { storeRestock } from './restock-store.ts';
import { SaleStore } from './sale-store.ts';
import { Sales } from './sales.ts';
import { createStockClient } from './stock-client.ts';

interface Process {
  config: Config;
  logger: Logger;
  lifecycle: Lifecycle;
  metrics: OrderMetrics;
  /** Tells the relay of this process, if it runs one, that there is something to publish. */
  poke: () => void;
}

/** Opened first, closed last: what a role uses must outlive it. */
async function start(config: Config, logger: Logger, lifecycle: Lifecycle): Promise<void> {
  const registry = createRegistry();
  const metrics = createMetrics(registry);
  const context: Process = { config, logger, lifecycle, metrics, poke: () => undefined };
  const server = await serveMetrics(registry, { host: config.host, port: config.metricsPort });
  lifecycle.onStop('metrics', () => server.close());

  // The relay first, so that it ends last and publishes what the others end with.
  if (config.roles.includes('relay')) context.poke = await startRelay(context);
  const api = config.roles.includes('http') ? startApi(context) : undefined;
  if (config.roles.includes('intake')) await startIntake(context);
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

/** Runs until the process stops; when it fails, the process ends. */
function runRole(
  lifecycle: Lifecycle,
  name: Role | 'handover',
  run: (signal: AbortSignal) => Promise<void>,
): void {
  const abort = new AbortController();
  const running = run(abort.signal).catch((error: unknown) => {
    lifecycle.fail(error, `${name} failed`);
  });
  lifecycle.onStop(name, async () => {
    abort.abort();
    await running;
  });
}

function startApi({ config, logger, lifecycle, metrics, poke }: Process): Api {
  const pool = createHttpPool(config.databaseUrl, logger);
  lifecycle.onStop('postgres of http', () => pool.end());
  const stock = createStockClient({
    url: config.stockUrl,
    token: config.orderToken,
    connections: HANDOVER_CONCURRENCY,
  });
  lifecycle.onStop('stock client', () => stock.close());

  const store = new SaleStore(pool);
  const handover = new Handover({
    store,
    stock,
    clock: systemClock,
    logger: logger.child({ part: 'handover' }),
    metrics,
  });
  runRole(lifecycle, 'handover', (signal) => handover.run(signal));
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

/** @returns what wakes it. */
async function startRelay({ config, logger, lifecycle, metrics }: Process): Promise<() => void> {
  const log = logger.child({ role: 'relay' });
  const pool = createRelayPool(config.databaseUrl, log);
  lifecycle.onStop('postgres of relay', () => pool.end());
  const relay = new Relay({
    store: createOutboxStore(pool),
    publisher: await startPublisher(config, lifecycle, log),
    clock: systemClock,
    logger: log,
    metrics,
    batchCountMax: config.relayBatchCountMax,
    keepSeconds: config.outboxKeepSeconds,
  });
  runRole(lifecycle, 'relay', (signal) => relay.run(signal));
  return () => {
    relay.poke();
  };
}

async function startPublisher(config: Config, lifecycle: Lifecycle, logger: Logger): Promise<Publisher> {
  const producer = createProducer(createKafka(config.kafkaBrokers, 'seckill-order', logger));
  lifecycle.onStop('producer', () => producer.disconnect());
  await producer.connect();
  return createPublisher(producer);
}

async function startIntake({ config, logger, lifecycle, metrics, poke }: Process): Promise<void> {
  const log = logger.child({ role: 'intake' });
  const pool = createIntakePool(config.databaseUrl, log);
  lifecycle.onStop('postgres of intake', () => pool.end());
  const publisher = await startPublisher(config, lifecycle, log);
  const intake = new Intake({
    store: createIntakeStore(pool),
    publisher,
    poke,
    clock: systemClock,
    logger: log,
    metrics,
    batchCountMax: config.intakeBatchCountMax,
  });
  const stop = await consumeReservations({
    kafka: createKafka(config.kafkaBrokers, 'seckill-order', log),
    intake,
    onFail: (error) => {
      lifecycle.fail(error, 'intake failed');
    },
  });
  lifecycle.onStop('intake', stop);
}

function main(): void {
  const config = readConfig();
  const logger = createLogger('order', config.logLevel);
  const lifecycle = new Lifecycle(logger);
  start(config, logger, lifecycle).catch((error: unknown) => {
    lifecycle.fail(error, 'could not start');
  });
}

try {
  main();
} catch (error) {
  // Before there is a logger: the configuration, told in words.
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
