import { SaleId } from '@seckill/contracts';
import { languageOf, tellLanguage, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { RouteDeps } from '../../deps.ts';
import { explain } from '../../explain/explanation.ts';
import { traceOf } from '../../upstream/trace.ts';

/**
 * Why a sale sells or not; for operators. Operators ask this when something is away, so it answers whatever
 * is.
 */
export function explainRoute(app: Http, { authenticateOperator, order, stock }: RouteDeps): void {
  app.get(
    '/v1/sales/:saleId/explain',
    { onRequest: authenticateOperator, schema: { params: Type.Object({ saleId: SaleId }) } },
    async (request, reply) => {
      const { saleId } = request.params;
      const trace = traceOf(request);
      const [stockStanding, orderStanding] = await Promise.all([
        stock.standing(saleId, trace),
        order.standing(saleId, trace),
      ]);
      const language = languageOf(request.headers['accept-language']);
      tellLanguage(reply, language);
      reply.header('cache-control', 'no-store');
      return explain(
        saleId,
        {
          ...(stockStanding === undefined ? {} : { stock: stockStanding }),
          ...(typeof orderStanding === 'string' ? { orderCause: orderStanding } : { order: orderStanding }),
        },
        language,
      );
    },
  );
}
