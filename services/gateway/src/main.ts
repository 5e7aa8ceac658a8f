import {
  createLogger,
  createRedis,
  createRegistry,
  Lifecycle,
  readConfigOrExit,
  serveMetrics,
  Upstream,
  type RedisAddress,
} from '@seckill/runtime';
import { buildApp } from './app.ts';
import { readConfig } from './config.ts';
import { createIdentifier } from './identity/identity.ts';
import { createMemoryMetrics, createMetrics, observeMemoryAge } from './metrics.ts';
import { createReserver } from './upstream/reserver.ts';
import { SaleMemory } from './memory/sale-memory.ts';
import { startStateFeeds } from './memory/state-feeds.ts';
import { createSignatureVerifier } from './identity/signature.ts';
import { createOrderClient } from './upstream/order-client.ts';
import { createStockClient } from './upstream/stock-client.ts';

const config = readConfigOrExit(() => readConfig(process.env));
const logger = createLogger('gateway', config.logLevel);
const lifecycle = new Lifecycle(logger, { drainMs: config.drainMs });

const registry = createRegistry();
const metrics = await serveMetrics(registry, { host: config.host, port: config.metricsPort });
lifecycle.onStop('metrics', () => metrics.close());

const token = config.gatewayToken;
const stockUpstream = new Upstream({
  url: config.stockUrl,
  token,
  connections: config.stockConnections,
  timeoutMs: config.stockTimeoutMs,
});
lifecycle.onStop('stock connections', () => stockUpstream.close());
// Of its own: behind a crowd that reads the sale, a batch would wait for a free connection until it is too late for an
// answer.
const reserveUpstream = new Upstream({
  url: config.stockUrl,
  token,
  connections: config.reserveCallsMax,
  timeoutMs: config.stockTimeoutMs,
});
lifecycle.onStop('connections of reservations', () => reserveUpstream.close());
const gatewayMetrics = createMetrics(registry);
const reserver = createReserver({
  upstream: reserveUpstream,
  logger,
  metrics: gatewayMetrics,
  callsMax: config.reserveCallsMax,
  batchCountMax: config.reserveBatchCountMax,
  queueCountMax: config.reserveQueueCountMax,
  waitMs: config.reserveWaitMs,
  callMs: config.stockTimeoutMs,
});
lifecycle.onStop('reservations', () => reserver.close());
const orderUpstream = new Upstream({
  url: config.orderUrl,
  token,
  connections: config.orderConnections,
  timeoutMs: config.orderTimeoutMs,
});
lifecycle.onStop('order connections', () => orderUpstream.close());

const stock = createStockClient(stockUpstream);
const memory = config.redis === undefined ? undefined : startMemory(config.redis);

function startMemory(redis: RedisAddress): SaleMemory {
  const memoryMetrics = createMemoryMetrics(registry);
  const sales = new SaleMemory({
    now: () => performance.now(),
    readFull: (saleId) => stock.fullState(saleId),
    logger,
    metrics: memoryMetrics,
  });
  observeMemoryAge(registry, () => sales.oldestSeconds());
  const feeds = startStateFeeds(redis, {
    hear: (announcement, time) => {
      sales.hear(announcement, time);
    },
    logger,
    metrics: memoryMetrics,
  });
  lifecycle.onStop('states', async () => {
    feeds.close();
  });
  return sales;
}

/** It may be away, now or later: gateways count by themselves then. */
function startSharedLimits(url: string) {
  // A request waits for its count; one that takes longer is counted here.
  const redis = createRedis(url, logger, { commandTimeout: 100 });
  redis.connect().catch(() => undefined);
  lifecycle.onStop('shared limits', async () => {
    redis.disconnect();
  });
  return { redis, failures: gatewayMetrics.limitFailures };
}

const app = await buildApp({
  logger,
  isReady: () => lifecycle.isReady,
  docsBaseUrl: config.docsBaseUrl,
  ...(config.trustProxy === undefined ? {} : { trustProxy: config.trustProxy }),
  limits: {
    userMax: config.rateLimitUserMax,
    addressMax: config.rateLimitAddressMax,
    ...(config.rateLimitRedisUrl === undefined
      ? {}
      : { shared: startSharedLimits(config.rateLimitRedisUrl) }),
  },
  requestsMax: config.requestsMax,
  identifier: createIdentifier({
    keys: config.tokenKeys,
    issuer: config.jwtIssuer,
    audience: config.jwtAudience,
  }),
  signatures: createSignatureVerifier(config.webhookSecrets),
  isSandbox: config.payments === 'sandbox',
  reserver,
  ...(memory === undefined ? {} : { memory }),
  stock,
  order: createOrderClient(orderUpstream),
  metrics: gatewayMetrics,
});
lifecycle.onStop('http', () => app.close());
await app.listen({ host: config.host, port: config.port });
lifecycle.ready();
