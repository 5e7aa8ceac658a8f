import { randomBytes } from 'node:crypto';
import {
  connectKafka,
  createKafka,
  createProducer,
  createPublisher,
  runRole,
  systemClock,
  type Publisher,
} from '@seckill/runtime';
import type { StockDeps } from '../deps.ts';
import { formatLane } from '../redis/keys.ts';
import { listLanes } from '../redis/lane-registry.ts';
import { createReadHolds } from '../redis/holds.ts';
import { LaneGauges } from './lane-gauges.ts';
import { createRelayMetrics, type RelayMetrics } from './metrics.ts';
import { OrphanScan } from './orphaned-holds.ts';
import { createOutbox } from './outbox.ts';
import type { Chore } from './lane-relay.ts';
import { createRelay } from './relay.ts';
import { retireLane } from './retirement.ts';

/**
 * Prometheus asks every 5 s. A reading is one call of inspect.lua for each lane that is awake. Lanes that
 * sleep are read when they change (lane-gauges.ts).
 */
const UNITS_MS = 1_000;

/** Starts the role `relay`: it brings the outbox of each lane to Kafka, and does the chores beside that. */
export function startRelay(deps: StockDeps): void {
  const { config, logger, lifecycle, connections, changes, registry, tracing } = deps;
  const log = logger.child({ role: 'relay' });
  const producer = createProducer(createKafka(config.kafka, 'seckill-stock-relay', log));
  const publisher = createPublisher(producer, tracing);
  const metrics = createRelayMetrics(registry);
  const token = randomBytes(16).toString('base64url');
  const gauges = new LaneGauges({ connections, metrics, clock: systemClock, logger: log, token });
  const relay = createRelay({
    lanes: () => listLanes(connections),
    outbox: createOutbox(connections),
    publisher,
    clock: systemClock,
    random: Math.random,
    logger: log,
    metrics,
    gauges,
    token,
    leaseMs: config.leaseMs,
    batchCountMax: config.batchCountMax,
    changes,
    sweepMs: config.sweepMs,
    chores: createChores(deps, publisher, { metrics, gauges }),
    retire: (lane) => retireLane(connections, lane, { logger: log, metrics }),
    retireMs: config.retirePollMs,
  });
  lifecycle.onStop('producer of relay', () => producer.disconnect());
  runRole(lifecycle, 'relay', async (signal) => {
    await connectKafka(() => producer.connect(), signal, log);
    await relay.run(signal);
  });
}

function createChores(
  { config, logger, connections }: StockDeps,
  publisher: Publisher,
  { metrics, gauges }: { metrics: RelayMetrics; gauges: LaneGauges },
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
  // The scans outlive the loop of a lane, which ends when nothing happens. A hold that was published again
  // has its time of that noted in its scan, and is not published a third time before republishMs.
  const scans = new Map<string, OrphanScan>();
  return [
    {
      name: 'units',
      everyMs: UNITS_MS,
      prepare: (lane) => async () => {
        await gauges.observe(lane);
        return true;
      },
    },
    {
      name: 'orphans',
      everyMs: config.orphanScanMs,
      prepare: (lane) => {
        const name = formatLane(lane);
        const scan = scans.get(name) ?? new OrphanScan(orphans, lane);
        return async () => {
          scans.set(name, scan);
          const isThrough = await scan.step();
          if (scan.isBlank) scans.delete(name);
          return isThrough;
        };
      },
    },
  ];
}
