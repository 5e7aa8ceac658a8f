import { detailOf, OrdersQuery, ReasonRequest, type Order } from '@seckill/contracts';
import { optionalBody, Problem, type Http } from '@seckill/runtime';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { RouteDeps } from '../deps.ts';
import { OrderList } from '../orders/order-list.ts';
import { findOrder } from '../orders/order-search.ts';
import { queryOf } from './query-text.ts';
import { notOperator, takenUp } from './steering.ts';
import { traceOf } from '../upstream/trace.ts';

const Params = Type.Object({ orderId: Type.String({ minLength: 1, maxLength: 128 }) });

export function orderRoutes(app: Http, deps: RouteDeps): void {
  const { authenticate, changeRow, order, isSandbox } = deps;
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

  /** @param owner undefined: an operator ends it. */
  async function end(
    request: FastifyRequest,
    orderId: string,
    owner: string | undefined,
    change: () => Promise<Order | undefined>,
  ): Promise<Order> {
    const ended = await changeRow(request, { orderId, ...(owner === undefined ? {} : { owner }), change });
    deps.recent.forget(orderId);
    return ended;
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
      const steering = takenUp(request, reason);
      if (reason !== undefined) {
        if (!isOperator) refuseField('body_unexpected');
        return end(request, orderId, undefined, () => order.cancelAsOperator(orderId, steering, trace));
      }
      try {
        return await end(request, orderId, userId, () => order.endOrder(orderId, 'cancel', steering, trace));
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
    const steering = takenUp(request);
    return end(request, orderId, userId, () => order.endOrder(orderId, 'pay', steering, trace));
  });
}

function refuseField(detail: 'body_unexpected' | 'schema_required'): never {
  const field = 'reason';
  throw new Problem('invalid_request', { detail: detailOf(detail, { field }), extra: { field } });
}
