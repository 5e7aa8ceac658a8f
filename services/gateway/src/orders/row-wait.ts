import { parseReservationId } from '@seckill/contracts';
import { Problem, systemClock } from '@seckill/runtime';
import type { ApiDeps, ChangeRow } from '../deps.ts';
import { traceOf } from '../upstream/trace.ts';
import { findOrder } from './order-search.ts';

/**
 * How long a change of an order waits for a row that is on its way, and how often it looks. The row is there
 * 120 to 260 ms after the 201, because the relay publishes four times a second. While Kafka is away the
 * caller hears `order_not_ready` after this time.
 */
const ROW_WAIT_MS = 2_000;
const ROW_POLL_MS_MIN = 50;
const ROW_POLL_MS_MAX = 400;
/**
 * How many calls may wait at a time. Each of them asks order some seven times. Beyond this number the caller
 * is told at once, because a Kafka outage would otherwise flood order.
 */
const ROW_WAITERS_MAX = 200;

export function createRowWait(deps: ApiDeps): ChangeRow {
  let waiters = 0;
  return async (request, { orderId, owner, change }) => {
    if (parseReservationId(orderId) === undefined) throw new Problem('order_not_found');
    const trace = traceOf(request);
    const changed = await change();
    if (changed !== undefined) return changed;
    // This throws `order_not_found`. When it does not, the buyer was promised this order, and its row is on
    // the way.
    await findOrder(deps, { orderId, userId: owner, trace });
    if (waiters >= ROW_WAITERS_MAX) throw new Problem('order_not_ready');
    waiters += 1;
    try {
      const isGone = () => request.raw.socket.destroyed || !deps.isReady();
      const isThere = async () => (await deps.order.order(orderId, owner, trace)) !== undefined;
      if (!(await waitForRow(isThere, isGone))) throw new Problem('order_not_ready');
    } finally {
      waiters -= 1;
    }
    const changedNow = await change();
    if (changedNow === undefined) throw new Problem('order_not_ready');
    return changedNow;
  };
}

/**
 * @returns whether the row came within `ROW_WAIT_MS`, while somebody waits for the answer and we do not
 * drain.
 */
async function waitForRow(isThere: () => Promise<boolean>, isGone: () => boolean): Promise<boolean> {
  const deadline = performance.now() + ROW_WAIT_MS;
  for (let pauseMs = ROW_POLL_MS_MIN; performance.now() < deadline && !isGone(); pauseMs *= 2) {
    await systemClock.sleep(Math.min(pauseMs, ROW_POLL_MS_MAX));
    if (await isThere()) return true;
  }
  return false;
}
