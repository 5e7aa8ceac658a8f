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
import { createApp, type AppOptions } from './app.ts';
import { readClock } from './clock.ts';
import { readConfig, type Config } from './config.ts';
import { Acknowledged } from './acknowledged.ts';
import { Auditor } from './audit.ts';
import { AuditMemory } from './audit-memory.ts';
import { AuditReader } from './audit-reader.ts';
import { Connection } from './connection.ts';
import { Gate } from './gate.ts';
import { Gatekeeper } from './gatekeeper.ts';
import { createReadHolds } from './holds.ts';
import { createKafkaOffsets } from './kafka-offsets.ts';
import { scriptKeys } from './keys.ts';
import { Lanes, listLanes } from './lanes.ts';
import {
  createAuditMetrics,
  createGateMetrics,
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
const lifecycle = new Lifecycle(logger);
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
  if (roles.includes('audit')) startAudit(connection, registry);
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
  const acknowledged = new Acknowledged();
  const { gate, gatekeeper } = startGatekeeper(connection, orderClient, acknowledged, registry);
  const { outboxCountMax } = config;
  const metrics = createStockMetrics(registry);
  return {
    stock: new Stock({ connection, outboxCountMax, acknowledged, logger, metrics }),
    lanes: new Lanes({ connection, gate, gatekeeper, logger }),
    readClock: () => readClock(connection),
    auditReader: openAuditReader(connection).reader,
  };
}

/** With the role that sells: its processes remember what they acknowledged, and are many. */
function startGatekeeper(
  connection: Connection,
  orderClient: OrderClient,
  acknowledged: Acknowledged,
  registry: Registry,
): { gate: Gate; gatekeeper: Gatekeeper } {
  const kafka = createKafka(config.kafkaBrokers, 'seckill-stock-gate', logger);
  const offsets = createKafkaOffsets(kafka, logger);
  lifecycle.onStop('kafka of the gatekeeper', () => offsets.close());
  const producer = createProducer(kafka);
  lifecycle.onStop('producer of the gatekeeper', () => producer.disconnect());
  const metrics = createGateMetrics(registry);
  const gate = new Gate({
    connection,
    orderClient,
    offsets,
    publisher: createPublisher(producer),
    readHolds: createReadHolds(connection),
    settle: createSettle(connection),
    acknowledged,
    clock: systemClock,
    logger,
    metrics,
    token: randomBytes(16).toString('base64url'),
  });
  const gatekeeper = new Gatekeeper({
    gate,
    connection,
    orderClient,
    acknowledged,
    clock: systemClock,
    random: Math.random,
    logger,
    metrics,
  });
  connection.onIdentified(() => {
    gatekeeper.poke();
  });
  const stop = new AbortController();
  const running = Promise.all([
    connectKafka(() => producer.connect(), stop.signal, logger),
    gatekeeper.run(stop.signal),
  ]).catch((error: unknown) => {
    lifecycle.fail(error, 'gatekeeper');
  });
  lifecycle.onStop('gatekeeper', async () => {
    stop.abort();
    await running;
  });
  return { gate, gatekeeper };
}

/** With clients of its own: sums that take long must not keep a rebuild waiting for a connection. */
function openAuditReader(connection: Connection): { reader: AuditReader; orderClient: OrderClient } {
  const orderClient = new OrderClient({ url: config.orderUrl, token: config.stockToken });
  lifecycle.onStop('order client of the audit', () => orderClient.close());
  const offsets = createKafkaOffsets(createKafka(config.kafkaBrokers, 'seckill-stock-audit', logger), logger);
  lifecycle.onStop('kafka of the audit', () => offsets.close());
  const readHolds = createReadHolds(connection);
  const reader = new AuditReader({ connection, orderClient, offsets, readHolds, clock: systemClock });
  return { reader, orderClient };
}

function startAudit(connection: Connection, registry: Registry): void {
  const log = logger.child({ role: 'audit' });
  const memory = new AuditMemory({ clock: systemClock, logger: log });
  const auditor = new Auditor({
    ...openAuditReader(connection),
    memory,
    clock: systemClock,
    logger: log,
    metrics: createAuditMetrics(registry, memory),
    intervalMs: config.auditIntervalMs,
  });
  const stop = new AbortController();
  const running = auditor.run(stop.signal).catch((error: unknown) => {
    lifecycle.fail(error, 'audit');
  });
  lifecycle.onStop('audit', async () => {
    stop.abort();
    await running;
  });
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
    onBroken: ({ saleId, lane }) => {
      // The check finds the contradiction again, and loads the lane from Postgres.
      const runId = connection.runId ?? '';
      connection.redis.close(scriptKeys('close', { saleId, lane }), runId, '1').catch((error: unknown) => {
        log.error({ err: error, saleId, lane }, 'settler: a broken lane could not be closed');
      });
    },
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
