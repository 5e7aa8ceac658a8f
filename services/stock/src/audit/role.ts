import { createKafka, runRole, systemClock } from '@seckill/runtime';
import { Auditor } from './auditor.ts';
import { AuditMemory } from './memory.ts';
import { AuditReader } from './reader.ts';
import { createReadHolds } from '../redis/holds.ts';
import { createKafkaOffsets } from '../kafka-offsets.ts';
import { createAuditMetrics } from './metrics.ts';
import { OrderClient } from '../order-client.ts';
import type { StockDeps } from '../deps.ts';

/** The role has clients of its own: sums that take long must not keep a rebuild waiting for a connection. */
export function openAuditReader({ config, logger, lifecycle, connections }: StockDeps): {
  reader: AuditReader;
  orderClient: OrderClient;
} {
  const orderClient = new OrderClient({ url: config.orderUrl, token: config.stockToken });
  lifecycle.onStop('order client of the audit', () => orderClient.close());
  const kafka = createKafka(config.kafka, 'seckill-stock-audit', logger);
  const offsets = createKafkaOffsets(kafka, logger, lifecycle.untilStarted());
  lifecycle.onStop('kafka of the audit', () => offsets.close());
  const readHolds = createReadHolds(connections);
  const reader = new AuditReader({ connections, orderClient, offsets, readHolds, clock: systemClock });
  return { reader, orderClient };
}

/** Starts the role `audit`: judges every sale in turn. */
export function startAudit(deps: StockDeps): void {
  const { config, logger, lifecycle, registry } = deps;
  const log = logger.child({ role: 'audit' });
  const memory = new AuditMemory({ clock: systemClock, logger: log });
  const auditor = new Auditor({
    ...openAuditReader(deps),
    memory,
    clock: systemClock,
    logger: log,
    metrics: createAuditMetrics(registry, memory),
    intervalMs: config.auditIntervalMs,
  });
  runRole(lifecycle, 'audit', (signal) => auditor.run(signal));
}
