import { InvariantError, Problem, type Logger } from '@seckill/runtime';
import { isBrokenLane } from '../lane-content-error.ts';
import type { Lane } from '../redis/keys.ts';

/** Has a lane loaded anew that cannot be read for what stands in it. @throws what the work throws. */
export async function noteBroken<Result>(
  work: Promise<Result>,
  lane: Lane,
  onBroken: (lane: Lane, error: Error) => void,
): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && isBrokenLane(error)) onBroken(lane, error);
    throw error;
  }
}

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
