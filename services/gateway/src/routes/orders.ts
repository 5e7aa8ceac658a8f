import { detailOf, OrdersQuery, parseReservationId, ReasonRequest, type Order } from '@seckill/contracts';
import { optionalBody, Problem, systemClock, type Http } from '@seckill/runtime';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { RouteDeps } from '../deps.ts';
import { OrderList } from '../orders/order-list.ts';
import { findOrder } from '../orders/order-search.ts';
import { queryOf } from './query-text.ts';
import { notOperator } from './steering.ts';
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
    const { userId, isOperator } = request.identity;
    reply.header('cache-control', 'no-store');
    return findOrder(deps, { orderId, userId: isOperator ? undefined : userId, trace: traceOf(request) });
  });

  app.get(
    '/v1/orders',
    { onRequest: authenticate, schema: { querystring: OrdersQuery } },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      const queryText = queryOf(request.url);
      const { userId, isOperator } = request.identity;
      const { userId: buyer, ...query } = request.query;
      if (buyer !== undefined) {
        if (!isOperator) throw notOperator();
        return order.ordersOfBuyer(buyer, query, traceOf(request));
      }
      return list.page({ query: request.query, queryText, userId, trace: traceOf(request) });
    },
  );

  let waiters = 0;

  /**
   * Ends an order once its row is there.
   * @param owner undefined: an operator ends it.
   * @param endRow undefined when there is no such row (yet).
   */
  async function end(
    request: FastifyRequest,
    orderId: string,
    owner: string | undefined,
    endRow: () => Promise<Order | undefined>,
  ): Promise<Order> {
    if (parseReservationId(orderId) === undefined) throw new Problem('order_not_found');
    const trace = traceOf(request);
    const ended = await endRow();
    if (ended !== undefined) {
      deps.recent.forget(orderId);
      return ended;
    }
    // This throws `order_not_found`. When it does not, the buyer was promised this order, and its row is on
    // the way.
    await findOrder(deps, { orderId, userId: owner, trace });
    if (waiters >= ROW_WAITERS_MAX) throw new Problem('order_not_ready');
    waiters += 1;
    try {
      const isGone = () => request.raw.socket.destroyed || !deps.isReady();
      const isThere = async () => (await order.order(orderId, owner, trace)) !== undefined;
      if (!(await waitForRow(isThere, isGone))) throw new Problem('order_not_ready');
    } finally {
      waiters -= 1;
    }
    const endedNow = await endRow();
    if (endedNow === undefined) throw new Problem('order_not_ready');
    return endedNow;
  }

  app.post(
    '/v1/orders/:orderId/cancel',
    {
      onRequest: authenticate,
      preValidation: optionalBody,
      schema: { params: Params, body: ReasonRequest },
    },
    async (request, reply) => {
      const { orderId } = request.params;
      const { userId, isOperator } = request.identity;
      const { reason } = request.body;
      reply.header('cache-control', 'no-store');
      const trace = traceOf(request);
      if (reason !== undefined) {
        if (!isOperator) refuseField('body_unexpected');
        return end(request, orderId, undefined, () =>
          order.cancelAsOperator(orderId, { by: userId, reason }, trace),
        );
      }
      try {
        return await end(request, orderId, userId, () => order.endOrder(orderId, 'cancel', userId, trace));
      } catch (error) {
        // The order of somebody else, which an operator cancels with a reason only.
        if (isOperator && error instanceof Problem && error.code === 'order_not_found') {
          await findOrder(deps, { orderId, trace });
          refuseField('schema_required');
        }
        throw error;
      }
    },
  );

  if (!isSandbox) return;
  app.post('/v1/orders/:orderId/pay', owned, async (request, reply) => {
    const { orderId } = request.params;
    const { userId } = request.identity;
    reply.header('cache-control', 'no-store');
    const trace = traceOf(request);
    return end(request, orderId, userId, () => order.endOrder(orderId, 'pay', userId, trace));
  });
}

function refuseField(detail: 'body_unexpected' | 'schema_required'): never {
  const field = 'reason';
  throw new Problem('invalid_request', { detail: detailOf(detail, { field }), extra: { field } });
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
