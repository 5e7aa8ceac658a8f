import { report } from '../payments/payments.ts';
import { reportDistrusted } from '../sales/distrusted-epochs.ts';
import type { IntakeDeps } from './intake-deps.ts';
import type { Stored } from './intake-store.ts';

/** Counts and logs what a transaction did, and wakes the relay when it wrote settlements. */
export function reportStored(
  { stored, duplicates, delaySeconds, refused, applied, settledAgain, retakes, distrusted }: Stored,
  deps: Pick<IntakeDeps, 'logger' | 'metrics' | 'wake'>,
): void {
  const { logger, metrics, wake } = deps;
  metrics.intakeMessages.inc({ outcome: 'stored' }, stored);
  metrics.intakeMessages.inc({ outcome: 'duplicate' }, duplicates);
  metrics.intakeMessages.inc({ outcome: 'refused' }, refused.length);
  for (const seconds of delaySeconds) metrics.storedSeconds.observe(seconds);
  metrics.ordersEnded.inc({ verdict: 'refused' }, refused.length);
  metrics.settlementsRepeated.inc(settledAgain);
  report(applied, deps);
  reportDistrusted(distrusted, deps);
  metrics.lateMoney.inc({ result: 'paid' }, retakes.paid);
  metrics.lateMoney.inc({ result: 'refunded' }, retakes.refused.length);
  if (refused.length + retakes.refused.length + retakes.returned + settledAgain > 0) wake();
  for (const { id, refusal } of retakes.refused) {
    metrics.intakeAlarms.inc({ reason: refusal });
    logger.error({ orderId: id, refusal }, 'intake: retake refused, Redis promised what it did not have');
  }
  for (const { id, refusal } of refused) {
    metrics.intakeAlarms.inc({ reason: refusal });
    logger.error({ orderId: id, refusal }, 'intake: order refused, Redis promised what it did not have');
  }
}
