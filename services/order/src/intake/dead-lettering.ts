import { publishDeadLetters, type Batch, type RejectedMessage } from '@seckill/runtime';
import type { IntakeDeps } from './intake-deps.ts';
import { retry, type RetryContext } from './retry.ts';

/** Returns when Kafka has confirmed the letters. Only then may the offset pass these messages (INV-2). */
export async function deadLetter(
  deps: IntakeDeps,
  batch: Batch,
  rejected: RejectedMessage[],
  context: RetryContext,
): Promise<void> {
  if (rejected.length === 0) return;
  const { publisher, logger, metrics } = deps;
  await retry(deps, 'kafka', context, () => publishDeadLetters(publisher, batch, rejected));
  metrics.intakeMessages.inc({ outcome: 'dead_letter' }, rejected.length);
  const { topic, partition } = batch;
  for (const { message, error } of rejected) {
    logger.error(
      { topic, partition, offset: message.offset.toString(), reason: error },
      'intake: dead letter',
    );
  }
}
