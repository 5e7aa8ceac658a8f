import {
  checkKafkaAccess,
  createLogger,
  createRegistry,
  Lifecycle,
  readConfigOrExit,
  serveMetrics,
  startTracing,
  type Logger,
} from '@seckill/runtime';
import { startApi } from './api.ts';
import { createApp } from './app.ts';
import type { OrderDeps } from './deps.ts';
import { readConfig, type Config } from './config.ts';
import { createSinglePool } from './database.ts';
import { startExpiry } from './expiry/role.ts';
import { startIntake } from './intake/role.ts';
import { createSharedMetrics } from './metrics.ts';
import { startRelay } from './relay/role.ts';
import { readMigrations } from './schema/migrations.ts';
import { checkSchema, SchemaError } from './schema/schema-check.ts';
import { startWebhooks } from './webhooks/role.ts';

/** Opened first, closed last: what a role uses must outlive it. */
async function start(config: Config, logger: Logger, lifecycle: Lifecycle): Promise<void> {
  await checkKafkaAccess(config.kafka, logger);
  await checkMigrations(config, logger, lifecycle);
  const registry = createRegistry();
  const metrics = createSharedMetrics(registry);
  const tracing = await startTracing(config.tracing, { service: 'order', logger, lifecycle });
  const deps: OrderDeps = { config, logger, lifecycle, registry, metrics, tracing, wake: () => undefined };
  const server = await serveMetrics(registry, { host: config.host, port: config.metricsPort });
  lifecycle.onStop('metrics', () => server.close());

  // The relay first, so that it ends last and publishes what the others end with.
  if (config.roles.includes('relay')) deps.wake = startRelay(deps);
  const api = config.roles.includes('http') ? startApi(deps) : undefined;
  if (config.roles.includes('intake')) startIntake(deps);
  if (config.roles.includes('expiry')) startExpiry(deps);
  if (config.roles.includes('webhooks')) startWebhooks(deps);

  const app = createApp({
    logger,
    isReady: () => lifecycle.isReady,
    requestSeconds: metrics.requestSeconds,
    tracing,
    tokens: { gateway: config.gatewayToken, stock: config.stockToken },
    // Health is answered whatever the roles.
    ...(api === undefined ? {} : { api }),
  });
  lifecycle.onStop('http', () => app.close());
  const url = await app.listen({ host: config.host, port: config.port });
  lifecycle.ready();
  logger.info({ url, roles: config.roles }, 'started');
}

async function checkMigrations(config: Config, logger: Logger, lifecycle: Lifecycle): Promise<void> {
  const abort = new AbortController();
  const pool = createSinglePool(config.databaseUrl, logger);
  lifecycle.onStop('check of migrations', async () => {
    abort.abort();
    await pool.end();
  });
  const onMisfit = (error: SchemaError): void => {
    refuse(error, lifecycle);
  };
  await checkSchema({ pool, known: readMigrations(), logger, onMisfit, signal: abort.signal });
}

function refuse({ message }: SchemaError, lifecycle: Lifecycle): void {
  process.stderr.write(`${message}\n`);
  void lifecycle.stop(1);
}

const config = readConfigOrExit(readConfig);
const logger = createLogger('order', config.logLevel);
const lifecycle = new Lifecycle(logger, { drainMs: config.drainMs });
try {
  await start(config, logger, lifecycle);
} catch (error) {
  if (error instanceof SchemaError) refuse(error, lifecycle);
  else lifecycle.fail(error, 'could not start');
}
