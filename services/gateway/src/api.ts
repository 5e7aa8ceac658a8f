import { createRedis, Upstream, type RedisAddress } from '@seckill/runtime';
import type { ApiDeps, GatewayDeps } from './deps.ts';
import { Contacts } from './contacts/contacts.ts';
import { createEventMetrics } from './events/metrics.ts';
import { SaleEvents } from './events/sale-events.ts';
import { createIdentifier } from './identity/identity.ts';
import { createSignatureVerifier } from './identity/signature.ts';
import type { AdmissionDeps } from './limits/admission.ts';
import { createLimitMetrics, type LimitMetrics } from './limits/metrics.ts';
import { createMemoryMetrics, observeMemoryAge } from './memory/metrics.ts';
import { RecentReservations } from './memory/recent-reservations.ts';
import { SaleMemory } from './memory/sale-memory.ts';
import { startStateFeeds } from './memory/state-feeds.ts';
import { createMetrics } from './metrics.ts';
import { createSaleReadMetrics } from './sales/metrics.ts';
import { OutcomeTally } from './sales/outcome-tally.ts';
import { SaleList } from './sales/sale-list.ts';
import { SaleReader } from './sales/sale-reader.ts';
import { createUpstreamMetrics } from './upstream/metrics.ts';
import { createOrderClient } from './upstream/order-client.ts';
import { createReserver, type Reserver } from './upstream/reserver.ts';
import { createStockClient, type StockClient } from './upstream/stock-client.ts';

/**
 * A request waits for its count at the shared Redis. When that takes longer than this, the gateway counts by
 * itself instead.
 */
const SHARED_COUNT_MS = 100;

/** Starts everything behind the routes. */
export function startApi(deps: GatewayDeps): ApiDeps {
  const { config, logger, lifecycle, registry } = deps;
  const contacts = new Contacts(config.contactKeys, logger);
  const stock = startStockClient(deps, contacts);
  const reserver = startReserver(deps);
  const order = createOrderClient(connect(deps, 'order', config.orderConnections), contacts);
  const memory = config.redis === undefined ? {} : { memory: startMemory(deps, config.redis, stock) };
  const limitMetrics = createLimitMetrics(registry);
  const saleReader = new SaleReader({
    order,
    stock,
    ...memory,
    now: () => performance.now(),
    metrics: createSaleReadMetrics(registry),
  });
  return {
    logger,
    isReady: () => lifecycle.isReady,
    docsBaseUrl: config.docsBaseUrl,
    ...(config.trustProxy === undefined ? {} : { trustProxy: config.trustProxy }),
    allowedOrigins: config.allowedOrigins,
    admission: startAdmission(deps, limitMetrics),
    requestsMax: config.requestsMax,
    limitMetrics,
    identifier: createIdentifier({
      keys: config.tokenKeys,
      issuer: config.jwtIssuer,
      audience: config.jwtAudience,
    }),
    signatures: createSignatureVerifier(config.webhookSecrets),
    contacts,
    isSandbox: config.payments === 'sandbox',
    hasConsole: config.console,
    reserver,
    ...memory,
    recent: new RecentReservations(),
    stock,
    order,
    saleReader,
    events: new SaleEvents({
      reader: saleReader,
      isReady: () => lifecycle.isReady,
      now: () => performance.now(),
      listenersMax: config.listenersMax,
      addressListenersMax: config.addressListenersMax,
      metrics: createEventMetrics(registry),
      logger,
    }),
    saleList: new SaleList({ order, reader: saleReader, now: () => performance.now() }),
    tally: new OutcomeTally(() => performance.now()),
    metrics: createMetrics(registry),
  };
}

function connect(
  { config, lifecycle }: GatewayDeps,
  service: 'stock' | 'order',
  connections: number,
  name = `${service} connections`,
): Upstream {
  const upstream = new Upstream({
    url: service === 'stock' ? config.stockUrl : config.orderUrl,
    token: config.gatewayToken,
    connections,
    timeoutMs: service === 'stock' ? config.stockTimeoutMs : config.orderTimeoutMs,
  });
  lifecycle.onStop(name, () => upstream.close());
  return upstream;
}

function startStockClient(deps: GatewayDeps, contacts: Contacts): StockClient {
  return createStockClient(connect(deps, 'stock', deps.config.stockConnections), contacts);
}

/**
 * Reservations have connections of their own. Behind a crowd that reads the sale, a batch would wait for a
 * free connection until an answer is too late.
 */
function startReserver(deps: GatewayDeps): Reserver {
  const { config, logger, lifecycle, registry } = deps;
  const reserver = createReserver({
    upstream: connect(deps, 'stock', config.reserveCallsMax, 'connections of reservations'),
    logger,
    metrics: createUpstreamMetrics(registry),
    callsMax: config.reserveCallsMax,
    batchCountMax: config.reserveBatchCountMax,
    queueCountMax: config.reserveQueueCountMax,
    waitMs: config.reserveWaitMs,
    callMs: config.stockTimeoutMs,
  });
  lifecycle.onStop('reservations', () => reserver.close());
  return reserver;
}

function startMemory(
  { logger, lifecycle, registry }: GatewayDeps,
  address: RedisAddress,
  stock: StockClient,
): SaleMemory {
  const metrics = createMemoryMetrics(registry);
  const memory = new SaleMemory({
    now: () => performance.now(),
    readFull: (saleId) => stock.fullState(saleId),
    logger,
    metrics,
  });
  const feeds = startStateFeeds(address, {
    onAnnouncement: (announcement, source) => {
      memory.learn(announcement, source);
    },
    onChange: (change, source) => {
      memory.noteChange(change, source);
    },
    logger,
    metrics,
  });
  observeMemoryAge(registry, () => feeds.silentSeconds());
  lifecycle.onStop('states', async () => {
    feeds.close();
  });
  return memory;
}

/** The shared Redis may be away, now or later. Gateways count by themselves then. */
function startAdmission({ config, logger, lifecycle }: GatewayDeps, metrics: LimitMetrics): AdmissionDeps {
  const { rateLimitUserMax: userMax, rateLimitAddressMax: addressMax, rateLimitRedisUrl } = config;
  if (rateLimitRedisUrl === undefined) return { userMax, addressMax };
  const redis = createRedis(rateLimitRedisUrl, logger, { commandTimeout: SHARED_COUNT_MS });
  redis.connect().catch(() => undefined);
  lifecycle.onStop('shared limits', async () => {
    redis.disconnect();
  });
  return { userMax, addressMax, shared: { redis, failures: metrics.failures } };
}
