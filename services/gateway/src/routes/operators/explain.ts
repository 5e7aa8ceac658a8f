import { SaleId } from '@seckill/contracts';
import { languageOf, tellLanguage, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { RouteDeps } from '../../deps.ts';
import { explain } from '../../explain/explanation.ts';
import type { StockAway } from '../../upstream/stock-client.ts';
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
          ...('isAway' in stockStanding ? awaySince(stockStanding) : { stock: stockStanding }),
          ...('cause' in orderStanding ? { orderAway: orderStanding } : { order: orderStanding }),
        },
        language,
      );
    },
  );
}

const awaySince = ({ since }: StockAway) => (since === undefined ? {} : { stockAwaySince: since });
