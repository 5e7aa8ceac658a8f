import { createKafka, createProducer, createPublisher, runConsumerRole, systemClock } from '@seckill/runtime';
import type { StockDeps } from '../deps.ts';
import { closeLane } from '../redis/close-lane.ts';
import { createSettlerMetrics } from './metrics.ts';
import { createMemberStore } from './consumer-members.ts';
import { consumeSettlements, Settler } from './settler.ts';
import { createSettle } from './settlements.ts';

/** Starts the role `settler`: settlements from Kafka to Redis. */
export function startSettler({ config, logger, lifecycle, connections, registry }: StockDeps): void {
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
  runConsumerRole({
    lifecycle,
    name: 'settler',
    logger: log,
    producer,
    consume: (onFail) =>
      consumeSettlements({ kafka, settler, onFail, members: createMemberStore(connections) }),
  });
}
