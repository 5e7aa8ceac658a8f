import {
  connectKafka,
  createKafka,
  createProducer,
  createPublisher,
  runRole,
  systemClock,
  type Clock,
  type InvariantError,
  type Logger,
  type Publisher,
  type Registry,
} from '@seckill/runtime';
import type { Announcer } from './announce/announcer.ts';
import { FullStates } from './announce/full-state.ts';
import type { AppDeps } from './app.ts';
import type { AuditReader } from './audit/reader.ts';
import { openAuditReader } from './audit/role.ts';
import { BuyerHolds } from './buyer-holds/buyer-holds.ts';
import type { StockDeps } from './deps.ts';
import { isTornLane } from './lane-content-error.ts';
import { createKafkaOffsets, type KafkaOffsets } from './kafka-offsets.ts';
import { OrderClient } from './order-client.ts';
import { ControlStates } from './recovery/control-state.ts';
import { HighWaterMarks } from './recovery/high-water-marks.ts';
import { LaneMonitor } from './recovery/monitor/lane-monitor.ts';
import { LaneOpener, type LaneOpenerDeps } from './recovery/lane-opener.ts';
import { createGateMetrics, type GateMetrics } from './recovery/metrics.ts';
import type { ChangeFeed } from './change-feed.ts';
import { createReadClocks } from './redis/clock.ts';
import type { Connections } from './redis/connections.ts';
import { createReserveMetrics } from './reserve/metrics.ts';
import { Reservations } from './reserve/reservations.ts';
import type { Lane } from './redis/keys.ts';
import { listLanes } from './redis/lane-registry.ts';
import { Retakes } from './reserve/retakes.ts';
import { Standings } from './standing/standings.ts';

export interface ApiDeps {
  connections: Connections;
  orderClient: OrderClient;
  announcer: Announcer;
  /**
   * Tells which gates have changed. Without it a lane is looked at in its turn, or when it turns somebody
   * away.
   */
  changes?: ChangeFeed;
  /** What the lane opener asks Kafka, and where it publishes holds again. */
  offsets: Pick<KafkaOffsets, 'readEnds'>;
  publisher: Publisher;
  auditReader: Pick<AuditReader, 'read'>;
  outboxCountMax: number;
  clock: Clock;
  random: () => number;
  logger: Logger;
  registry: Registry;
  onInvariantBroken: (error: InvariantError) => void;
  onStep?: NonNullable<LaneOpenerDeps['onStep']>;
}

/** What the routes use, and what runs beside them. */
export interface Api extends NonNullable<AppDeps['api']> {
  opener: LaneOpener;
  monitor: LaneMonitor;
  marks: HighWaterMarks;
  gateMetrics: GateMetrics;
}

/** Assembles everything behind the routes of the role `http`, and starts nothing. */
export function createApi(deps: ApiDeps): Api {
  const { connections, orderClient, announcer, registry, logger, clock, random } = deps;
  const marks = new HighWaterMarks();
  const gateMetrics = createGateMetrics(registry);
  const opener = new LaneOpener({ ...deps, marks, metrics: gateMetrics });
  const monitor = new LaneMonitor({
    opener,
    connections,
    orderClient,
    marks,
    clock,
    random,
    logger,
    metrics: gateMetrics,
  });
  connections.onIdentified((connection, isOther) => {
    gateMetrics.identified.inc({ found: isOther ? 'other' : 'same' });
    monitor.wake(connection, isOther);
  });
  deps.changes?.listen({
    onChange: (change) => {
      if (change.what === 'gate') monitor.look(change);
    },
    onListening: () => {
      monitor.lookAtAll();
    },
  });
  const onUnavailable = (lane: Lane): void => {
    monitor.look(lane);
  };
  const onBroken = (lane: Lane, error: Error): void => {
    if (isTornLane(error)) {
      onUnavailable(lane);
      return;
    }
    if (!monitor.distrust(lane)) return;
    logger.error({ err: error, ...lane }, 'a lane has what no script of ours wrote, and is loaded anew');
  };
  announcer.listen(onBroken);
  const reservations = new Reservations({
    connections,
    announcer,
    onUnavailable,
    onBroken,
    outboxCountMax: deps.outboxCountMax,
    marks,
    logger,
    metrics: createReserveMetrics(registry),
    onInvariantBroken: deps.onInvariantBroken,
  });
  const { outboxCountMax, offsets } = deps;
  const controlStates = new ControlStates({ connections, opener, monitor, logger });
  const standing = { connections, controlStates, monitor, offsets, onBroken, outboxCountMax, clock, logger };
  return {
    reservations,
    retakes: new Retakes({
      connections,
      announcer,
      outboxCountMax,
      marks,
      onUnavailable,
      onBroken,
      logger,
    }),
    controlStates,
    standings: new Standings(standing),
    buyerHolds: new BuyerHolds({
      connections,
      changes: deps.changes,
      listLanes: () => listLanes(connections),
      now: () => clock.now(),
      logger,
    }),
    announcer,
    onBroken,
    fullStates: new FullStates(connections, onUnavailable),
    readClock: createReadClocks(connections),
    auditReader: deps.auditReader,
    opener,
    monitor,
    marks,
    gateMetrics,
  };
}

/**
 * Starts the role `http` but for its port: what answers the routes, the lane monitor and the announcer. The
 * lane monitor runs with the role that sells, because the processes of this role remember what they
 * acknowledged, and are many.
 */
export function startApi(deps: StockDeps): Api {
  const { config, logger, lifecycle, connections, announcer, registry } = deps;
  const orderClient = new OrderClient({ url: config.orderUrl, token: config.stockToken });
  lifecycle.onStop('order client', () => orderClient.close());
  const kafka = createKafka(config.kafka, 'seckill-stock-gate', logger);
  const offsets = createKafkaOffsets(kafka, logger, lifecycle.untilStarted());
  lifecycle.onStop('kafka of the lane monitor', () => offsets.close());
  const producer = createProducer(kafka);
  lifecycle.onStop('producer of the lane monitor', () => producer.disconnect());
  const api = createApi({
    connections,
    orderClient,
    announcer,
    changes: deps.changes,
    offsets,
    publisher: createPublisher(producer),
    auditReader: openAuditReader(deps).reader,
    outboxCountMax: config.outboxCountMax,
    clock: systemClock,
    random: Math.random,
    logger,
    registry,
    onInvariantBroken: (error) => {
      lifecycle.fail(error, 'http');
    },
  });
  runRole(lifecycle, 'lane monitor', (signal) =>
    Promise.all([connectKafka(() => producer.connect(), signal, logger), api.monitor.run(signal)]),
  );
  runRole(lifecycle, 'announcer', (signal) => announcer.run(signal));
  return api;
}
