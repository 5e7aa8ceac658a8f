import { connectKafka, createKafka, createProducer, createPublisher, systemClock } from '@seckill/runtime';
import { createIntakePool, createRelayPool } from './database.ts';
import { consumeReservations } from './intake/intake-consumer.ts';
import { createIntakeStore } from './intake/intake-store.ts';
import { Intake } from './intake/intake.ts';
import { createOutboxStore } from './relay/outbox.ts';
import { runRole, type Process } from './process.ts';
import { Relay } from './relay/relay.ts';

const CLIENT_ID = 'seckill-order';

/**
 * Does not wait for Kafka. Until the producer is connected each pass over the outbox fails and is repeated, and the
 * gauges tell what waits.
 * @returns what wakes it.
 */
export function startRelay({ config, logger, lifecycle, metrics }: Process): () => void {
  const log = logger.child({ role: 'relay' });
  const pool = createRelayPool(config.databaseUrl, log);
  lifecycle.onStop('postgres of relay', () => pool.end());
  const producer = createProducer(createKafka(config.kafka, CLIENT_ID, log));
  lifecycle.onStop('producer of relay', () => producer.disconnect());
  const relay = new Relay({
    store: createOutboxStore(pool),
    publisher: createPublisher(producer),
    clock: systemClock,
    logger: log,
    metrics,
    batchCountMax: config.relayBatchCountMax,
    keepSeconds: config.outboxKeepSeconds,
  });
  runRole(lifecycle, 'relay', async (signal) => {
    await Promise.all([connectKafka(() => producer.connect(), signal, log), relay.run(signal)]);
  });
  return () => {
    relay.poke();
  };
}

/** Does not wait for Kafka: the messages wait there. The producer first, for what the consumer may have to park. */
export function startIntake({ config, logger, lifecycle, metrics, poke }: Process): void {
  const log = logger.child({ role: 'intake' });
  const pool = createIntakePool(config.databaseUrl, log);
  lifecycle.onStop('postgres of intake', () => pool.end());
  const kafka = createKafka(config.kafka, CLIENT_ID, log);
  const producer = createProducer(kafka);
  lifecycle.onStop('producer of intake', () => producer.disconnect());
  const intake = new Intake({
    store: createIntakeStore(pool),
    publisher: createPublisher(producer),
    poke,
    clock: systemClock,
    logger: log,
    metrics,
    batchCountMax: config.intakeBatchCountMax,
  });
  const onFail = (error: unknown): void => {
    lifecycle.fail(error, 'intake failed');
  };
  const abort = new AbortController();
  const started = connectKafka(() => producer.connect(), abort.signal, log)
    .then(() => connectKafka(() => consumeReservations({ kafka, intake, onFail }), abort.signal, log))
    .catch((error: unknown) => {
      onFail(error);
      return undefined;
    });
  lifecycle.onStop('intake', async () => {
    abort.abort();
    const stop = await started;
    await stop?.();
  });
}
