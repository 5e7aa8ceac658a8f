import { randomBytes } from 'node:crypto';
import {
  connectKafka,
  createKafka,
  createProducer,
  createPublisher,
  runRole,
  systemClock,
} from '@seckill/runtime';
import { Acknowledged } from './recovery/high-water-marks.ts';
import { Announcer } from './announce/announcer.ts';
import type { AppOptions } from './app.ts';
import { openAuditReader } from './audit/role.ts';
import { createReadClocks } from './redis/clock.ts';
import { FullStates } from './announce/full-state.ts';
import { Gate } from './recovery/lane-opener.ts';
import { Gatekeeper } from './recovery/lane-monitor.ts';
import { createReadHolds } from './redis/holds.ts';
import { createKafkaOffsets } from './kafka-offsets.ts';
import { Lanes, listLanes } from './recovery/control-state.ts';
import { createAnnouncerMetrics } from './announce/metrics.ts';
import { createGateMetrics } from './recovery/metrics.ts';
import { createStockMetrics } from './reserve/metrics.ts';
import { OrderClient } from './order-client.ts';
import type { StockDeps } from './deps.ts';
import { createSettle } from './settler/settlements.ts';
import { Stock } from './reserve/reservations.ts';

/** Everything behind the routes of the role `http`. */
export function startApi(deps: StockDeps): NonNullable<AppOptions['api']> {
  const { config, logger, lifecycle, connections, registry } = deps;
  const orderClient = new OrderClient({ url: config.orderUrl, token: config.stockToken });
  lifecycle.onStop('order client', () => orderClient.close());
  const acknowledged = new Acknowledged();
  const { gate, gatekeeper } = startGatekeeper(deps, orderClient, acknowledged);
  const { outboxCountMax } = config;
  const announcer = startAnnouncer(deps);
  return {
    announcer,
    fullStates: new FullStates(connections),
    stock: new Stock({
      connections,
      announcer,
      outboxCountMax,
      acknowledged,
      logger,
      metrics: createStockMetrics(registry),
      onInvariantBroken: (error) => {
        lifecycle.fail(error, 'http');
      },
    }),
    lanes: new Lanes({ connections, gate, gatekeeper, logger }),
    readClock: createReadClocks(connections),
    auditReader: openAuditReader(deps).reader,
  };
}

/** With the role that sells: its processes remember what they acknowledged, and are many. */
function startGatekeeper(
  { config, logger, lifecycle, connections, registry }: StockDeps,
  orderClient: OrderClient,
  acknowledged: Acknowledged,
): { gate: Gate; gatekeeper: Gatekeeper } {
  const kafka = createKafka(config.kafka, 'seckill-stock-gate', logger);
  const offsets = createKafkaOffsets(kafka, logger);
  lifecycle.onStop('kafka of the gatekeeper', () => offsets.close());
  const producer = createProducer(kafka);
  lifecycle.onStop('producer of the gatekeeper', () => producer.disconnect());
  const metrics = createGateMetrics(registry);
  const gate = new Gate({
    connections,
    orderClient,
    offsets,
    publisher: createPublisher(producer),
    readHolds: createReadHolds(connections),
    settle: createSettle(connections),
    acknowledged,
    clock: systemClock,
    logger,
    metrics,
    token: randomBytes(16).toString('base64url'),
  });
  const gatekeeper = new Gatekeeper({
    gate,
    connections,
    orderClient,
    acknowledged,
    clock: systemClock,
    random: Math.random,
    logger,
    metrics,
  });
  connections.onIdentified((connection, isOther) => {
    metrics.identified.inc({ found: isOther ? 'other' : 'same' });
    gatekeeper.poke(connection, isOther);
  });
  runRole(lifecycle, 'gatekeeper', (signal) =>
    Promise.all([connectKafka(() => producer.connect(), signal, logger), gatekeeper.run(signal)]),
  );
  return { gate, gatekeeper };
}

function startAnnouncer({ logger, lifecycle, connections, registry }: StockDeps): Announcer {
  const announcer = new Announcer({
    connections,
    lanes: () => listLanes(connections),
    clock: systemClock,
    logger,
    metrics: createAnnouncerMetrics(registry),
  });
  runRole(lifecycle, 'announcer', (signal) => announcer.run(signal));
  return announcer;
}
