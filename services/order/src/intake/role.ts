import { createKafka, createProducer, createPublisher, runConsumerRole, systemClock } from '@seckill/runtime';
import { createIntakePool, createMembersPool } from '../database.ts';
import type { OrderDeps } from '../deps.ts';
import { createMemberStore } from './consumer-members.ts';
import { consumeReservations, INTAKE_GROUP } from './intake-consumer.ts';
import { createIntakeStore } from './intake-store.ts';
import { Intake } from './intake.ts';

/** Starts the role `intake`: reservations from Kafka to Postgres. */
export function startIntake({ config, logger, lifecycle, metrics, wake }: OrderDeps): void {
  const log = logger.child({ role: 'intake' });
  const pool = createIntakePool(config.databaseUrl, log);
  lifecycle.onStop('postgres of intake', () => pool.end());
  const membersPool = createMembersPool(config.databaseUrl, log);
  lifecycle.onStop('postgres of the members', () => membersPool.end());
  const kafka = createKafka(config.kafka, 'seckill-order-intake', log);
  const producer = createProducer(kafka);
  const intake = new Intake({
    store: createIntakeStore(pool),
    publisher: createPublisher(producer),
    wake,
    clock: systemClock,
    logger: log,
    metrics,
    batchCountMax: config.intakeBatchCountMax,
  });
  runConsumerRole({
    lifecycle,
    name: 'intake',
    logger: log,
    producer,
    consume: (onFail) => {
      const members = createMemberStore(membersPool, INTAKE_GROUP);
      return consumeReservations({ kafka, intake, onFail, members });
    },
  });
}
