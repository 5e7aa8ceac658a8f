import {
  createKafka,
  createProducer,
  createPublisher,
  runConsumerRole,
  systemClock,
  type Pool,
} from '@seckill/runtime';
import { createIntakePool, createSinglePool } from '../database.ts';
import type { OrderDeps } from '../deps.ts';
import { createMemberStore } from './consumer-members.ts';
import { consumeReservations, INTAKE_GROUP } from './intake-consumer.ts';
import type { IntakeDeps } from './intake-deps.ts';
import { createIntakeStore, type IntakeStore } from './intake-store.ts';
import { Intake } from './intake.ts';
import { createIntakeMetrics } from './metrics.ts';

/** Starts the role `intake`: reservations from Kafka to Postgres. */
export function startIntake({
  config,
  logger,
  lifecycle,
  registry,
  metrics,
  tracing,
  wake,
}: OrderDeps): void {
  const log = logger.child({ role: 'intake' });
  const pool = createIntakePool(config.databaseUrl, log);
  metrics.observePool('intake', pool);
  lifecycle.onStop('postgres of intake', () => pool.end());
  const membersPool = createSinglePool(config.databaseUrl, log);
  metrics.observePool('members', membersPool);
  lifecycle.onStop('postgres of the members', () => membersPool.end());
  const kafka = createKafka(config.kafka, 'seckill-order-intake', log);
  const producer = createProducer(kafka);
  const intake = assembleIntake({
    pool,
    publisher: createPublisher(producer),
    wake,
    logger: log,
    metrics: { ...metrics, ...createIntakeMetrics(registry) },
    batchCountMax: config.intakeBatchCountMax,
  });
  runConsumerRole({
    lifecycle,
    name: 'intake',
    logger: log,
    producer,
    consume: (onFail) => {
      const members = createMemberStore(membersPool, INTAKE_GROUP);
      return consumeReservations({ kafka, intake, onFail, members, tracing });
    },
  });
}

export type IntakeAssembly = Omit<IntakeDeps, 'store' | 'clock'> & { pool: Pool };

/**
 * Assembles the intake on a pool. Tests use it too.
 * @param wrap puts something between the intake and its store.
 */
export function assembleIntake(
  { pool, ...deps }: IntakeAssembly,
  wrap: (store: IntakeStore) => IntakeStore = (store) => store,
): Intake {
  return new Intake({ ...deps, store: wrap(createIntakeStore(pool)), clock: systemClock });
}
