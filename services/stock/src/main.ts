import { randomBytes } from 'node:crypto';
import {
  backoffMs,
  createKafka,
  createLogger,
  createProducer,
  createPublisher,
  createRegistry,
  Lifecycle,
  serveMetrics,
  systemClock,
  type Logger,
  type Producer,
  type Registry,
} from '@seckill/runtime';
import { createApp } from './app.ts';
import { readConfig, type Config } from './config.ts';
import { Connection } from './connection.ts';
import { Lanes, listLanes } from './lanes.ts';
import { createRelayMetrics, createStockMetrics } from './metrics.ts';
import { OrderClient } from './order-client.ts';
import { createOutbox } from './outbox.ts';
import { createRelay } from './relay.ts';
import { Stock } from './stock.ts';

const config = readConfig();
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
  if (roles.includes('http')) await startHttp(connection, registry);
  lifecycle.ready();
  logger.info({ roles }, 'stock is ready');
}

async function startHttp(connection: Connection, registry: Registry): Promise<void> {
  const orderClient = new OrderClient({ url: config.orderUrl, token: config.stockToken });
  lifecycle.onStop('order client', () => orderClient.close());
  const { outboxCountMax } = config;
  const app = createApp({
    stock: new Stock({ connection, outboxCountMax, logger, metrics: createStockMetrics(registry) }),
    lanes: new Lanes({ connection, orderClient, logger }),
    tokens: config.tokens,
    isReady: () => lifecycle.isReady,
    onInvariantBroken: (error) => {
      lifecycle.fail(error, 'http');
    },
    logger,
  });
  lifecycle.onStop('http', () => app.close());
  await app.listen({ host: config.host, port: config.port });
}

function startRelay(connection: Connection, registry: Registry): void {
  const relayLogger = logger.child({ role: 'relay' });
  const producer = createProducer(createKafka(config.kafkaBrokers, 'seckill-stock-relay', relayLogger));
  const relay = createRelay({
    lanes: () => listLanes(connection),
    outbox: createOutbox(connection),
    publisher: createPublisher(producer),
    clock: systemClock,
    random: Math.random,
    logger: relayLogger,
    metrics: createRelayMetrics(registry),
    token: randomBytes(16).toString('base64url'),
    leaseMs: config.leaseMs,
    batchCountMax: config.batchCountMax,
  });
  const stop = new AbortController();
  const running = connectProducer(producer, stop.signal, relayLogger)
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

/** Kafka may be away while we start: reservations go on, and the outbox keeps them until it is back. */
async function connectProducer(producer: Producer, signal: AbortSignal, log: Logger): Promise<void> {
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    try {
      await producer.connect();
      return;
    } catch (error) {
      log.warn({ err: error, attempt }, 'kafka cannot be reached');
      await systemClock.sleep(backoffMs(attempt, { baseMs: 200, capMs: 5_000 }), signal);
    }
  }
}
