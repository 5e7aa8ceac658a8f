import { createKafka, createProducer, createPublisher, runConsumerRole, systemClock } from '@seckill/runtime';
import type { StockDeps } from '../deps.ts';
import { closeLane } from '../redis/close-lane.ts';
import type { Connections } from '../redis/connections.ts';
import { createMemberStore } from './consumer-members.ts';
import { createSettlerMetrics } from './metrics.ts';
import { consumeSettlements, Settler, type SettlerDeps } from './settler.ts';
import { createSettle } from './settlements.ts';

/** What a process brings. Whatever else of SettlerDeps is given replaces the part of the same name. */
export type SettlerAssembly = Partial<SettlerDeps> &
  Pick<SettlerDeps, 'publisher' | 'logger' | 'metrics' | 'batchCountMax' | 'onReturned'> & {
    connections: Connections;
  };

/** The settler on a Redis and a Kafka. The caller gives it the batches. */
export function createSettler({ connections, ...assembly }: SettlerAssembly): Settler {
  return new Settler({
    settle: createSettle(connections),
    clock: systemClock,
    random: Math.random,
    onBroken: ({ saleId, lane }) => {
      // The check finds the contradiction again, and loads the lane from Postgres.
      closeLane(connections, { saleId, lane }).catch((error: unknown) => {
        assembly.logger.error({ err: error, saleId, lane }, 'settler: a broken lane could not be closed');
      });
    },
    ...assembly,
  });
}

/** Starts the role `settler`: settlements from Kafka to Redis. */
export function startSettler(deps: StockDeps): void {
  const { config, logger, lifecycle, connections, announcer, registry, tracing } = deps;
  const log = logger.child({ role: 'settler' });
  const kafka = createKafka(config.kafka, 'seckill-stock-settler', log);
  const producer = createProducer(kafka);
  const settler = createSettler({
    connections,
    publisher: createPublisher(producer),
    logger: log,
    metrics: createSettlerMetrics(registry),
    batchCountMax: config.settleCountMax,
    // A caller who comes now is told the truth at once, and not at the next tick.
    onReturned: (lane) => {
      announcer.announce(lane);
    },
  });
  runConsumerRole({
    lifecycle,
    name: 'settler',
    logger: log,
    producer,
    consume: (onFail) =>
      consumeSettlements({ kafka, settler, onFail, members: createMemberStore(connections), tracing }),
  });
}
