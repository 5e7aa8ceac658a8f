import { SaleId } from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { RouteDeps } from '../../deps.ts';
import { traceOf } from '../../upstream/trace.ts';

/** How this gateway answered the reservations of a sale; for operators. */
export function outcomesRoute(app: Http, { authenticateOperator, order, tally }: RouteDeps): void {
  app.get(
    '/v1/sales/:saleId/outcomes',
    { onRequest: authenticateOperator, schema: { params: Type.Object({ saleId: SaleId }) } },
    async (request, reply) => {
      const { saleId } = request.params;
      // Order is asked only because it throws `sale_not_found` for a sale that does not exist.
      await order.sale(saleId, traceOf(request));
      reply.header('cache-control', 'no-store');
      return tally.read(saleId);
    },
  );
}
