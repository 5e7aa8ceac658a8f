import {
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
import { readConfig, type Config } from './config.ts';

/**
 * What is opened first is closed last: whatever answers requests ends before the connections that it uses.
 */
async function start(config: Config, logger: Logger, lifecycle: Lifecycle): Promise<void> {
  const registry = createRegistry();
  const metrics = await serveMetrics(registry, { host: config.host, port: config.metricsPort });
  lifecycle.onStop('metrics', () => metrics.close());
  const tracing = await startTracing(config.tracing, { service: 'gateway', isEdge: true, logger, lifecycle });
  const app = await createApp({ ...startApi({ config, logger, lifecycle, registry }), tracing });
  lifecycle.onStop('http', () => app.close());
  const url = await app.listen({ host: config.host, port: config.port });
  lifecycle.ready();
  logger.info({ url }, 'gateway is ready');
}

const config = readConfigOrExit(() => readConfig(process.env));
const logger = createLogger('gateway', config.logLevel);
const lifecycle = new Lifecycle(logger, { drainMs: config.drainMs });
try {
  await start(config, logger, lifecycle);
} catch (error) {
  lifecycle.fail(error, 'gateway did not start');
}
