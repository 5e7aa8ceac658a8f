import { backoffMs, classifyPostgresError, isKafkaAway, type BatchContext } from '@seckill/runtime';
import { DataError } from '../ledger/ledger.ts';
import type { IntakeDeps } from './intake-deps.ts';

type Target = 'postgres' | 'kafka';

export type RetryDeps = Pick<IntakeDeps, 'clock' | 'logger' | 'metrics' | 'random'>;

/**
 * What a wait needs. `signal` ends the wait with the consumer, and `heartbeat` keeps our place in the
 * group meanwhile.
 */
export type RetryContext = Pick<BatchContext, 'signal' | 'heartbeat'>;

/**
 * Repeats the work while its engine is away. Only the end of the consumer ends the repeating, because
 * there is nothing else to do.
 * @throws the reason of the signal when the consumer stops, what a heartbeat throws, and any error of the
 * work that does not say that the engine is away.
 */
export async function retry<Result>(
  { clock, logger, metrics, random }: RetryDeps,
  target: Target,
  context: RetryContext,
  work: () => Promise<Result>,
): Promise<Result> {
  for (let attempt = 0; ; attempt += 1) {
    context.signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (!isAway(target, error)) throw error;
      metrics.intakeRetries.inc({ target });
      logger.warn({ err: error, attempt }, `intake: ${target} is away, waiting`);
    }
    const pauseMs = backoffMs(attempt, {
      baseMs: 50,
      capMs: 1_000,
      ...(random === undefined ? {} : { random }),
    });
    await clock.sleep(pauseMs, context.signal);
    await context.heartbeat();
  }
}

/**
 * Tells whether the error is about the data of a message. The message is at fault then, and not the
 * engine.
 */
export function isAboutData(error: unknown): boolean {
  return error instanceof DataError || classifyPostgresError(error) === 'data';
}

function isAway(target: Target, error: unknown): boolean {
  if (target === 'kafka') return isKafkaAway(error);
  return !isAboutData(error) && classifyPostgresError(error) === 'transient';
}
