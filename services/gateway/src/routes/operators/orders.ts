import { ReturnRequest, SaleId, SaleOrdersQuery } from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { RouteDeps } from '../../deps.ts';
import { traceOf } from '../../upstream/trace.ts';
import { readIdempotencyKey } from '../idempotency-key.ts';
import { queryOf } from '../query-text.ts';
import { takenUp } from '../steering.ts';

const SaleParams = Type.Object({ saleId: SaleId });
const OrderParams = Type.Object({ orderId: Type.String({ minLength: 1, maxLength: 128 }) });

/** The orders of a sale, and what operators do with one. */
export function operatorOrderRoutes(app: Http, { authenticateOperator, changeRow, order }: RouteDeps): void {
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
      const { reason, ...lines } = request.body;
      const wanted = { ...lines, idempotencyKey };
      const steering = takenUp(request, reason);
      reply.header('cache-control', 'no-store');
      const change = () => order.returnLines(orderId, wanted, steering, traceOf(request));
      return changeRow(request, { orderId, change });
    },
  );
}
