import { detailOf, SaleId } from '@seckill/contracts';
import { Problem, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { RouteDeps } from '../deps.ts';
import { traceOf } from '../upstream/trace.ts';

/** What Redis, Kafka and Postgres hold of a sale, compared; for operators. */
export function auditRoute(app: Http, { authenticateOperator, order, stock }: RouteDeps): void {
  app.get(
    '/v1/sales/:saleId/audit',
    { onRequest: authenticateOperator, schema: { params: Type.Object({ saleId: SaleId }) } },
    async (request, reply) => {
      const { saleId } = request.params;
      // Redis has forgotten the sale, so there is nothing left to compare.
      const { retired } = await order.sale(saleId, traceOf(request));
      if (retired !== undefined) throw new Problem('sale_closed', { detail: detailOf('sale_retired') });
      return reply.header('cache-control', 'no-store').send(await stock.audit(saleId, traceOf(request)));
    },
  );
}
