import {
  connectKafka,
  createKafka,
  createProducer,
  createPublisher,
  runRole,
  systemClock,
} from '@seckill/runtime';
import { createRelayPool } from '../database.ts';
import type { OrderDeps } from '../deps.ts';
import { createOutboxStore } from './outbox.ts';
import { createRelayMetrics } from './metrics.ts';
import { Relay } from './relay.ts';

/**
 * Starts the role `relay`: outbox table to Kafka. The role does not wait for Kafka. Until the producer is
 * connected each pass over the outbox fails and is repeated, and the gauges tell what waits.
 * @returns what wakes it.
 */
export function startRelay({ config, logger, lifecycle, registry, metrics, tracing }: OrderDeps): () => void {
  const log = logger.child({ role: 'relay' });
  const pool = createRelayPool(config.databaseUrl, log);
  metrics.observePool('relay', pool);
  lifecycle.onStop('postgres of relay', () => pool.end());
  const producer = createProducer(createKafka(config.kafka, 'seckill-order-relay', log));
  lifecycle.onStop('producer of relay', () => producer.disconnect());
  const relay = new Relay({
    store: createOutboxStore(pool, { isTraced: tracing !== undefined }),
    publisher: createPublisher(producer, tracing),
    clock: systemClock,
    logger: log,
    metrics: createRelayMetrics(registry),
    batchCountMax: config.relayBatchCountMax,
    keepSeconds: config.outboxKeepSeconds,
  });
  runRole(lifecycle, 'relay', async (signal) => {
    await Promise.all([connectKafka(() => producer.connect(), signal, log), relay.run(signal)]);
  });
  return () => {
    relay.wake();
  };
}
