import {
  checkKafkaAccess,
  createLogger,
  createRegistry,
  Lifecycle,
  readConfigOrExit,
  runRole,
  serveMetrics,
  startTracing,
} from '@seckill/runtime';
import { createAnnouncer } from './announce/announcer.ts';
import { startApi } from './api.ts';
import { createApp } from './app.ts';
import { startAudit } from './audit/role.ts';
import { readConfig, type Config } from './config.ts';
import { ChangeFeed } from './change-feed.ts';
import { createMetrics } from './metrics.ts';
import { Connections } from './redis/connections.ts';
import type { StockDeps } from './deps.ts';
import { startRelay } from './relay/role.ts';
import { startSettler } from './settler/role.ts';

const config = readConfigOrExit(() => readConfig());
const logger = createLogger('stock', config.logLevel);
const lifecycle = new Lifecycle(logger, { drainMs: config.drainMs });
try {
  await start(config);
} catch (error) {
  lifecycle.fail(error, 'stock did not start');
}

/** Opened first, closed last: the roles end before the connections they use. */
async function start({ redis, kafka, tracing: traced, host, metricsPort, roles }: Config): Promise<void> {
  await checkKafkaAccess(kafka, logger);
  const registry = createRegistry();
  const connections = new Connections(redis, logger);
  lifecycle.onStop('redis', () => connections.close());
  await connections.start();
  const metrics = await serveMetrics(registry, { host, port: metricsPort });
  lifecycle.onStop('metrics', () => metrics.close());
  const tracing = await startTracing(traced, { service: 'stock', logger, lifecycle });
  const { requestSeconds } = createMetrics(registry, connections);
  const announcer = createAnnouncer({ connections, logger, registry });
  const changes = new ChangeFeed(connections, logger);
  const deps: StockDeps = { config, logger, lifecycle, connections, announcer, changes, registry, tracing };
  if (roles.includes('relay')) startRelay(deps);
  if (roles.includes('settler')) startSettler(deps);
  if (roles.includes('audit')) startAudit(deps);
  const api = roles.includes('http') ? startApi(deps) : undefined;
  // The roles above listen.
  if (roles.includes('relay') || roles.includes('http')) {
    runRole(lifecycle, 'changes of the lanes', (signal) => changes.run(signal));
  }
  const app = createApp({
    // Without this role the process has its health routes alone.
    ...(api === undefined ? {} : { api }),
    tokens: config.tokens,
    requestSeconds,
    tracing,
    isReady: () => lifecycle.isReady,
    onInvariantBroken: (error) => {
      lifecycle.fail(error, 'http');
    },
    logger,
  });
  lifecycle.onStop('http', () => app.close());
  await app.listen({ host, port: config.port });
  lifecycle.ready();
  logger.info({ roles }, 'stock is ready');
}
