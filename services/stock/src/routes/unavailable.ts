import { InvariantError, Problem, type Logger } from '@seckill/runtime';

/**
 * Redis, order or the lane cannot serve now. The caller hears `sale_unavailable`, never "internal", and asks
 * again.
 * @throws Problem; InvariantError and JavaScript's own errors as they are, because those are bugs.
 */
export async function orUnavailable<Result>(
  work: Promise<Result>,
  log: Pick<Logger, 'warn'>,
): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    const isBug =
      error instanceof InvariantError || error instanceof TypeError || error instanceof RangeError;
    if (isBug || error instanceof Problem) throw error;
    log.warn({ err: error }, 'stock cannot serve this now');
    throw new Problem('sale_unavailable', { cause: error });
  }
}
