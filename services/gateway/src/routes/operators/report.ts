import { detailOf, ReportQuery, SaleId } from '@seckill/contracts';
import { addVary, languageOf, Problem, tellLanguage, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import { tellCsv, wantsCsv } from '../../csv.ts';
import type { RouteDeps } from '../../deps.ts';
import { reportFile } from '../../report/report-file.ts';
import { traceOf } from '../../upstream/trace.ts';

/** What was sold in a sale, as JSON or as a file for spreadsheets. */
export function reportRoute(app: Http, { authenticateOperator, order }: RouteDeps): void {
  app.get(
    '/v1/sales/:saleId/report',
    {
      onRequest: authenticateOperator,
      schema: { params: Type.Object({ saleId: SaleId }), querystring: ReportQuery },
    },
    async (request, reply) => {
      const { saleId } = request.params;
      const { format, table = 'channels' } = request.query;
      reply.header('cache-control', 'no-store');
      if (request.query.table !== undefined && !wantsCsv(request, format)) {
        throw new Problem('invalid_request', { detail: detailOf('table_of_csv'), extra: { field: 'table' } });
      }
      const report = await order.report(saleId, traceOf(request));
      if (!wantsCsv(request, format)) {
        addVary(reply, 'accept');
        return report;
      }
      const language = languageOf(request.headers['accept-language']);
      tellLanguage(reply, language);
      tellCsv(reply, `report-${saleId}-${table}`);
      return reply.send(reportFile(report, table, language));
    },
  );
}
