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
} from '@seckill/runtime';
import { createApp } from './app.ts';
import { readConfig, type Config } from './config.ts';
import { createHttpPool, createIntakePool } from './database.ts';
import { Handover, HANDOVER_CONCURRENCY } from './handover.ts';
import { consumeReservations } from './intake-consumer.ts';
import { createIntakeStore } from './intake-store.ts';
import { Intake } from './intake.ts';
import { createMetrics, type OrderMetrics } from './metrics.ts';
import { Orders } from './orders.ts';
import { SaleStore } from './sale-store.ts';
import { Sales } from './sales.ts';
import { createStockClient } from './stock-client.ts';

interface Process {
  config: Config;
  logger: Logger;
  lifecycle: Lifecycle;
  metrics: OrderMetrics;
}

/** Opened first, closed last: what a role uses must outlive it. */
async function start(config: Config, logger: Logger, lifecycle: Lifecycle): Promise<void> {
  const registry = createRegistry();
  const context: Process = { config, logger, lifecycle, metrics: createMetrics(registry) };
  const server = await serveMetrics(registry, { host: config.host, port: config.metricsPort });
  lifecycle.onStop('metrics', () => server.close());

  const api = config.roles.includes('http') ? startApi(context) : undefined;
  if (config.roles.includes('intake')) await startIntake(context);

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

function startApi({ config, logger, lifecycle, metrics }: Process): { sales: Sales; orders: Orders } {
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
  const abort = new AbortController();
  const running = handover.run(abort.signal).catch((error: unknown) => {
    lifecycle.fail(error, 'handover failed');
  });
  lifecycle.onStop('handover', async () => {
    abort.abort();
    await running;
  });
  const poke = (saleId: string) => {
    handover.poke(saleId);
  };
  return { sales: new Sales({ store, poke, clock: systemClock }), orders: new Orders(pool) };
}

async function startIntake({ config, logger, lifecycle, metrics }: Process): Promise<void> {
  const log = logger.child({ role: 'intake' });
  const pool = createIntakePool(config.databaseUrl, log);
  lifecycle.onStop('postgres of intake', () => pool.end());
  const kafka = createKafka(config.kafkaBrokers, 'seckill-order', log);
  const producer = createProducer(kafka);
  lifecycle.onStop('producer', () => producer.disconnect());
  await producer.connect();

  const intake = new Intake({
    store: createIntakeStore(pool),
    publisher: createPublisher(producer),
    clock: systemClock,
    logger: log,
    metrics,
    batchCountMax: config.intakeBatchCountMax,
  });
  const stop = await consumeReservations({
    kafka,
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
