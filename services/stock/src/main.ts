import { randomBytes } from 'node:crypto';
import {
  connectKafka,
  createKafka,
  createLogger,
  createProducer,
  createPublisher,
  createRegistry,
  Lifecycle,
  readConfigOrExit,
  serveMetrics,
  systemClock,
  type Logger,
  type Publisher,
  type Registry,
} from '@seckill/runtime';
import { Announcer } from './announcer.ts';
import { createApp, type AppOptions } from './app.ts';
import { readClock } from './clock.ts';
import { readConfig, type Config } from './config.ts';
import { Connection } from './connection.ts';
import { FullStates } from './full-state.ts';
import { createReadHolds } from './holds.ts';
import { Lanes, listLanes } from './lanes.ts';
import {
  createAnnouncerMetrics,
  createRelayMetrics,
  createSettlerMetrics,
  createStockMetrics,
  type RelayMetrics,
} from './metrics.ts';
import { OrderClient } from './order-client.ts';
import { createOutbox } from './outbox.ts';
import { OrphanScan } from './orphans.ts';
import { createRelay, type Chore } from './relay.ts';
import { retireLane } from './retirement.ts';
import { createSettle } from './settlements.ts';
import { consumeSettlements, Settler } from './settler.ts';
import { Stock } from './stock.ts';

const config = readConfigOrExit(() => readConfig());
const logger = createLogger('stock', config.logLevel);
const lifecycle = new Lifecycle(logger, { drainMs: config.drainMs });
try {
  await start(config, logger);
} catch (error) {
  lifecycle.fail(error, 'stock did not start');
}

/** Opened first, closed last: the roles end before the connections they use. */
async function start({ redisUrl, host, metricsPort, roles }: Config, parentLogger: Logger): Promise<void> {
  const registry = createRegistry();
  const connection = new Connection(redisUrl, parentLogger);
  lifecycle.onStop('redis', () => connection.close());
  await connection.start();
  const metrics = await serveMetrics(registry, { host, port: metricsPort });
  lifecycle.onStop('metrics', () => metrics.close());
  if (roles.includes('relay')) startRelay(connection, registry);
  if (roles.includes('settler')) startSettler(connection, registry);
  const api = roles.includes('http') ? startApi(connection, registry) : undefined;
  const app = createApp({
    // Health is answered whatever the roles.
    ...(api === undefined ? {} : { api }),
    tokens: config.tokens,
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

function startApi(connection: Connection, registry: Registry): NonNullable<AppOptions['api']> {
  const orderClient = new OrderClient({ url: config.orderUrl, token: config.stockToken });
  lifecycle.onStop('order client', () => orderClient.close());
  const { outboxCountMax } = config;
  const announcer = startAnnouncer(connection, registry);
  return {
    announcer,
    fullStates: new FullStates(connection),
    stock: new Stock({
      connection,
      announcer,
      outboxCountMax,
      logger,
      metrics: createStockMetrics(registry),
      onInvariantBroken: (error) => {
        lifecycle.fail(error, 'http');
      },
    }),
    lanes: new Lanes({ connection, orderClient, logger }),
    readClock: () => readClock(connection),
  };
}

function startAnnouncer(connection: Connection, registry: Registry): Announcer {
  const announcer = new Announcer({
    connection,
    lanes: () => listLanes(connection),
    clock: systemClock,
    logger,
    metrics: createAnnouncerMetrics(registry),
  });
  const stop = new AbortController();
  const running = announcer.run(stop.signal).catch((error: unknown) => {
    lifecycle.fail(error, 'announcer');
  });
  lifecycle.onStop('announcer', async () => {
    stop.abort();
    await running;
  });
  return announcer;
}

function startRelay(connection: Connection, registry: Registry): void {
  const log = logger.child({ role: 'relay' });
  const producer = createProducer(createKafka(config.kafkaBrokers, 'seckill-stock-relay', log));
  const publisher = createPublisher(producer);
  const metrics = createRelayMetrics(registry);
  const relay = createRelay({
    lanes: () => listLanes(connection),
    outbox: createOutbox(connection),
    publisher,
    clock: systemClock,
    random: Math.random,
    logger: log,
    metrics,
    token: randomBytes(16).toString('base64url'),
    leaseMs: config.leaseMs,
    batchCountMax: config.batchCountMax,
    chores: createChores(connection, publisher, log, metrics),
  });
  const stop = new AbortController();
  const running = connectKafka(() => producer.connect(), stop.signal, log)
    .then(() => relay.run(stop.signal))
    .catch((error: unknown) => {
      lifecycle.fail(error, 'relay');
    });
  lifecycle.onStop('relay', async () => {
    stop.abort();
    await running;
    await producer.disconnect();
  });
}

function createChores(
  connection: Connection,
  publisher: Publisher,
  log: Logger,
  metrics: RelayMetrics,
): Chore[] {
  const orphans = {
    readHolds: createReadHolds(connection),
    publisher,
    logger: log,
    metrics,
    graceMs: config.orphanGraceMs,
    republishMs: config.orphanRepublishMs,
  };
  return [
    {
      name: 'orphans',
      everyMs: config.orphanScanMs,
      prepare: (lane) => {
        const scan = new OrphanScan(orphans, lane);
        return () => scan.step();
      },
    },
    {
      name: 'retirement',
      everyMs: config.retirePollMs,
      prepare: (lane) => () => retireLane(connection, lane, { logger: log, metrics }),
    },
  ];
}

function startSettler(connection: Connection, registry: Registry): void {
  const log = logger.child({ role: 'settler' });
  const kafka = createKafka(config.kafkaBrokers, 'seckill-stock-settler', log);
  const producer = createProducer(kafka);
  const settler = new Settler({
    settle: createSettle(connection),
    publisher: createPublisher(producer),
    clock: systemClock,
    random: Math.random,
    logger: log,
    metrics: createSettlerMetrics(registry),
    batchCountMax: config.settleCountMax,
  });
  const onFail = (error: unknown): void => {
    lifecycle.fail(error, 'settler');
  };
  const stop = new AbortController();
  const started = connectKafka(() => producer.connect(), stop.signal, log)
    .then(() => connectKafka(() => consumeSettlements({ kafka, settler, onFail }), stop.signal, log))
    .catch((error: unknown) => {
      onFail(error);
      return undefined;
    });
  lifecycle.onStop('settler', async () => {
    stop.abort();
    const stopConsumer = await started;
    await stopConsumer?.();
    await producer.disconnect();
  });
}
