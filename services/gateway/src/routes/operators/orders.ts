import { parseReservationId, ReturnRequest, SaleId, SaleOrdersQuery } from '@seckill/contracts';
import { Problem, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { RouteDeps } from '../../deps.ts';
import { traceOf } from '../../upstream/trace.ts';
import { readIdempotencyKey } from '../idempotency-key.ts';
import { queryOf } from '../query-text.ts';

const SaleParams = Type.Object({ saleId: SaleId });
const OrderParams = Type.Object({ orderId: Type.String({ minLength: 1, maxLength: 128 }) });

/** The orders of a sale, and what operators do with one. */
export function operatorOrderRoutes(app: Http, { authenticateOperator, order }: RouteDeps): void {
  app.get(
    '/v1/sales/:saleId/orders',
    { onRequest: authenticateOperator, schema: { params: SaleParams, querystring: SaleOrdersQuery } },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      return order.saleOrders(request.params.saleId, queryOf(request.url), traceOf(request));
    },
  );

  app.post(
    '/v1/orders/:orderId/returns',
    { onRequest: authenticateOperator, schema: { params: OrderParams, body: ReturnRequest } },
    async (request, reply) => {
      const idempotencyKey = readIdempotencyKey(request.headers['idempotency-key']);
      const { orderId } = request.params;
      if (parseReservationId(orderId) === undefined) throw new Problem('order_not_found');
      const { reason, ...wanted } = request.body;
      const operator = { by: request.identity.userId, ...(reason === undefined ? {} : { reason }) };
      reply.header('cache-control', 'no-store');
      return order.returnLines(orderId, { ...wanted, idempotencyKey }, operator, traceOf(request));
    },
  );
}
