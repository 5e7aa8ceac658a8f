import {
  connectKafka,
  createKafka,
  createProducer,
  createPublisher,
  runRole,
  systemClock,
} from '@seckill/runtime';
import { HighWaterMarks } from './recovery/high-water-marks.ts';
import { Announcer } from './announce/announcer.ts';
import type { AppDeps } from './app.ts';
import { openAuditReader } from './audit/role.ts';
import { createReadClocks } from './redis/clock.ts';
import { FullStates } from './announce/full-state.ts';
import { LaneOpener } from './recovery/lane-opener.ts';
import { Gatekeeper } from './recovery/lane-monitor.ts';
import { createReadHolds } from './redis/holds.ts';
import { createKafkaOffsets } from './kafka-offsets.ts';
import { ControlStates } from './recovery/control-state.ts';
import { listLanes } from './redis/lane-registry.ts';
import { createAnnouncerMetrics } from './announce/metrics.ts';
import { createGateMetrics } from './recovery/metrics.ts';
import { createReserveMetrics } from './reserve/metrics.ts';
import { OrderClient } from './order-client.ts';
import type { StockDeps } from './deps.ts';
import { createSettle } from './settler/settlements.ts';
import { Reservations } from './reserve/reservations.ts';

/** Everything behind the routes of the role `http`. */
export function startApi(deps: StockDeps): NonNullable<AppDeps['api']> {
  const { config, logger, lifecycle, connections, registry } = deps;
  const orderClient = new OrderClient({ url: config.orderUrl, token: config.stockToken });
  lifecycle.onStop('order client', () => orderClient.close());
  const marks = new HighWaterMarks();
  const { opener, monitor } = startGatekeeper(deps, orderClient, marks);
  const { outboxCountMax } = config;
  const announcer = startAnnouncer(deps);
  return {
    announcer,
    fullStates: new FullStates(connections),
    reservations: new Reservations({
      connections,
      announcer,
      outboxCountMax,
      marks,
      logger,
      metrics: createReserveMetrics(registry),
      onInvariantBroken: (error) => {
        lifecycle.fail(error, 'http');
      },
    }),
    controlStates: new ControlStates({ connections, opener, monitor, logger }),
    readClock: createReadClocks(connections),
    auditReader: openAuditReader(deps).reader,
  };
}

/** With the role that sells: its processes remember what they acknowledged, and are many. */
function startGatekeeper(
  { config, logger, lifecycle, connections, registry }: StockDeps,
  orderClient: OrderClient,
  marks: HighWaterMarks,
): { opener: LaneOpener; monitor: Gatekeeper } {
  const kafka = createKafka(config.kafka, 'seckill-stock-gate', logger);
  const offsets = createKafkaOffsets(kafka, logger);
  lifecycle.onStop('kafka of the gatekeeper', () => offsets.close());
  const producer = createProducer(kafka);
  lifecycle.onStop('producer of the gatekeeper', () => producer.disconnect());
  const metrics = createGateMetrics(registry);
  const opener = new LaneOpener({
    connections,
    orderClient,
    offsets,
    publisher: createPublisher(producer),
    readHolds: createReadHolds(connections),
    settle: createSettle(connections),
    marks,
    clock: systemClock,
    logger,
    metrics,
  });
  const gatekeeper = new Gatekeeper({
    opener,
    connections,
    orderClient,
    acknowledged: marks,
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
  return { opener, monitor: gatekeeper };
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
