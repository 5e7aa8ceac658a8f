import { OrdersQuery, parseReservationId } from '@seckill/contracts';
import { Problem, systemClock, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { RouteDeps } from '../deps.ts';
import { OrderList } from '../orders/order-list.ts';
import { findOrder } from '../orders/order-search.ts';
import { queryOf } from './query-text.ts';
import { traceOf } from '../upstream/trace.ts';

/**
 * How long `pay` and `cancel` wait for a row that is on its way, and how often they look. The row is there
 * 120 to 260 ms after the 201, because the relay publishes four times a second. While Kafka is away the
 * caller hears `order_not_ready` after this time.
 */
const ROW_WAIT_MS = 2_000;
const ROW_POLL_MS_MIN = 50;
const ROW_POLL_MS_MAX = 400;
/**
 * How many calls may wait at a time. Each of them asks order some seven times. Beyond this number the buyer
 * is told at once, because a Kafka outage would otherwise flood order.
 */
const ROW_WAITERS_MAX = 200;

const Params = Type.Object({ orderId: Type.String({ minLength: 1, maxLength: 128 }) });

export function orderRoutes(app: Http, deps: RouteDeps): void {
  const { authenticate, order, isSandbox } = deps;
  const list = new OrderList(deps);
  const owned = { onRequest: authenticate, schema: { params: Params } };

  app.get('/v1/orders/:orderId', owned, async (request, reply) => {
    const { orderId } = request.params;
    const { userId } = request.identity;
    reply.header('cache-control', 'no-store');
    return findOrder(deps, { orderId, userId, trace: traceOf(request) });
  });

  app.get(
    '/v1/orders',
    { onRequest: authenticate, schema: { querystring: OrdersQuery } },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      const queryText = queryOf(request.url);
      const { userId } = request.identity;
      return list.page({ query: request.query, queryText, userId, trace: traceOf(request) });
    },
  );

  let waiters = 0;
  const verbs = isSandbox ? (['cancel', 'pay'] as const) : (['cancel'] as const);
  for (const verb of verbs) {
    app.post(`/v1/orders/:orderId/${verb}`, owned, async (request, reply) => {
      const { orderId } = request.params;
      const { userId } = request.identity;
      reply.header('cache-control', 'no-store');
      if (parseReservationId(orderId) === undefined) throw new Problem('order_not_found');
      const trace = traceOf(request);
      const ended = await order.endOrder(orderId, verb, userId, trace);
      if (ended !== undefined) {
        deps.recent.forget(orderId);
        return ended;
      }
      // This throws `order_not_found`. When it does not, the buyer was promised this order, and its row is on
      // the way.
      await findOrder(deps, { orderId, userId, trace });
      if (waiters >= ROW_WAITERS_MAX) throw new Problem('order_not_ready');
      waiters += 1;
      try {
        const isGone = () => request.raw.socket.destroyed || !deps.isReady();
        const isThere = async () => (await order.order(orderId, userId, trace)) !== undefined;
        if (!(await waitForRow(isThere, isGone))) throw new Problem('order_not_ready');
      } finally {
        waiters -= 1;
      }
      const endedNow = await order.endOrder(orderId, verb, userId, trace);
      if (endedNow === undefined) throw new Problem('order_not_ready');
      return endedNow;
    });
  }
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
