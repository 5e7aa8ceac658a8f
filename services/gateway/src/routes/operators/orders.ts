import { SaleId, SaleOrdersQuery } from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { RouteDeps } from '../../deps.ts';
import { traceOf } from '../../upstream/trace.ts';
import { queryOf } from '../query-text.ts';

const Params = Type.Object({ saleId: SaleId });

/** The orders of a sale, for operators. */
export function operatorOrderRoutes(app: Http, { authenticateAdmin, order }: RouteDeps): void {
  app.get(
    '/v1/sales/:saleId/orders',
    { onRequest: authenticateAdmin, schema: { params: Params, querystring: SaleOrdersQuery } },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      return order.saleOrders(request.params.saleId, queryOf(request.url), traceOf(request));
    },
  );
}
