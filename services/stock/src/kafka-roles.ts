import { randomBytes } from 'node:crypto';
import {
  connectKafka,
  createKafka,
  createProducer,
  createPublisher,
  systemClock,
  type Publisher,
} from '@seckill/runtime';
import { closeLane } from './recovery/close-lane.ts';
import { createReadHolds } from './redis/holds.ts';
import { listLanes } from './recovery/control-state.ts';
import { createRelayMetrics, createSettlerMetrics, type RelayMetrics } from './metrics.ts';
import { OrphanScan } from './relay/orphaned-holds.ts';
import { createOutbox } from './relay/outbox.ts';
import { runRole, type Process } from './process.ts';
import { createRelay, type Chore } from './relay/relay.ts';
import { retireLane } from './relay/retirement.ts';
import { createSettle } from './settler/settlements.ts';
import { consumeSettlements, Settler } from './settler/settler.ts';

export function startRelay(process: Process): void {
  const { config, logger, lifecycle, connections, registry } = process;
  const log = logger.child({ role: 'relay' });
  const producer = createProducer(createKafka(config.kafka, 'seckill-stock-relay', log));
  const publisher = createPublisher(producer);
  const metrics = createRelayMetrics(registry);
  const relay = createRelay({
    lanes: () => listLanes(connections),
    outbox: createOutbox(connections),
    publisher,
    clock: systemClock,
    random: Math.random,
    logger: log,
    metrics,
    token: randomBytes(16).toString('base64url'),
    leaseMs: config.leaseMs,
    batchCountMax: config.batchCountMax,
    chores: createChores(process, publisher, metrics),
  });
  lifecycle.onStop('producer of relay', () => producer.disconnect());
  runRole(lifecycle, 'relay', async (signal) => {
    await connectKafka(() => producer.connect(), signal, log);
    await relay.run(signal);
  });
}

function createChores(
  { config, logger, connections }: Process,
  publisher: Publisher,
  metrics: RelayMetrics,
): Chore[] {
  const log = logger.child({ role: 'relay' });
  const orphans = {
    readHolds: createReadHolds(connections),
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
      prepare: (lane) => () => retireLane(connections, lane, { logger: log, metrics }),
    },
  ];
}

export function startSettler({ config, logger, lifecycle, connections, registry }: Process): void {
  const log = logger.child({ role: 'settler' });
  const kafka = createKafka(config.kafka, 'seckill-stock-settler', log);
  const producer = createProducer(kafka);
  const settler = new Settler({
    settle: createSettle(connections),
    publisher: createPublisher(producer),
    clock: systemClock,
    random: Math.random,
    logger: log,
    metrics: createSettlerMetrics(registry),
    batchCountMax: config.settleCountMax,
    onBroken: ({ saleId, lane }) => {
      // The check finds the contradiction again, and loads the lane from Postgres.
      closeLane(connections, { saleId, lane }).catch((error: unknown) => {
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
