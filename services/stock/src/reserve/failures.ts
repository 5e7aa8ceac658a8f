import type { ReserveAnswer } from '@seckill/contracts';
import type { Logger } from '@seckill/runtime';

export interface Failure {
  outcome: ReserveAnswer['outcome'];
  error: Error;
}

/** ioredis' and Redis' own words are shorter. The bound is there because these words are not ours. */
const MESSAGE_LENGTH_MAX = 200;

/**
 * Logs one line for a batch, whatever failed in it, because a Redis that is away fails every item of every
 * batch. The line never holds the error itself: ioredis' error has the command's arguments, which are user
 * ids and idempotency keys.
 */
export function logFailures(logger: Logger, failures: Failure[]): void {
  if (failures.length === 0) return;
  const kinds = new Map<string, { outcome: string; error: string; count: number }>();
  for (const { outcome, error } of failures) {
    const text = textOf(error);
    const kind = kinds.get(`${outcome} ${text}`) ?? { outcome, error: text, count: 0 };
    kind.count += 1;
    kinds.set(`${outcome} ${text}`, kind);
  }
  // SECKILL_* is our own word for our own bug. The world's failures are frequent and counted.
  const isOurs = failures.some(({ error }) => error.message.startsWith('SECKILL_'));
  const context = { count: failures.length, failures: [...kinds.values()] };
  logger[isOurs ? 'error' : 'warn'](context, 'items of a reserve batch failed');
}

/** Takes the error's code where it has one, because the message may name addresses. */
function textOf(error: Error): string {
  const code = 'code' in error ? String(error.code) : error.message;
  return code.slice(0, MESSAGE_LENGTH_MAX);
}
