import { TOPICS, type Topic } from '@seckill/contracts';
import { startConsumer, type Kafka, type MemberStore, type Tracing } from '@seckill/runtime';
import { INTAKE_CONCURRENCY } from '../database.ts';
import type { Intake } from './intake.ts';

export const INTAKE_GROUP = 'seckill.intake';

/**
 * Connects the intake to Kafka.
 * @param options.onFail is called when the intake cannot go on. The caller ends the process, which starts
 * again from what Postgres holds.
 * @returns a function that stops after the batches under way.
 */
export async function consumeReservations(options: {
  kafka: Kafka;
  intake: Intake;
  onFail: (error: unknown) => void;
  members?: MemberStore;
  tracing?: Tracing | undefined;
  groupId?: string;
  topic?: Topic;
}): Promise<() => Promise<void>> {
  const { kafka, intake, onFail } = options;
  return startConsumer({
    kafka,
    groupId: options.groupId ?? INTAKE_GROUP,
    topic: options.topic ?? TOPICS.reservations,
    ...(options.members === undefined ? {} : { members: options.members }),
    concurrency: INTAKE_CONCURRENCY,
    onAssigned: (assignment) => {
      intake.onAssigned(assignment).catch(onFail);
    },
    onBatch: (batch, context) => intake.handleBatch(batch, context),
    tracing: options.tracing,
    onFail,
  });
}
