import { SaleId, type Audit } from '@seckill/contracts';
import { Problem, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import { judge } from '../audit/judge.ts';
import type { AuditReader } from '../audit/reader.ts';
import { OrderError } from '../order-client.ts';
import type { Lane } from '../redis/keys.ts';
import { noteBroken, orUnavailable } from './unavailable.ts';
import type { CallerCheck } from './caller-check.ts';

/** A sale that cannot be read whole is not answered at all: half an audit would pass for a whole one. */
export function auditRoute(
  app: Http,
  deps: {
    reader: Pick<AuditReader, 'read'>;
    onBroken: (lane: Lane, error: Error) => void;
    onRequest: CallerCheck;
  },
): void {
  async function audit(saleId: string): Promise<Audit> {
    try {
      const reading = deps.reader.read(saleId);
      return judge(await noteBroken(reading, { saleId, lane: 0 }, deps.onBroken)).audit;
    } catch (error) {
      const isGone = error instanceof OrderError && error.code === 'SECKILL_ORDER_GONE';
      throw isGone ? new Problem('sale_not_found') : error;
    }
  }

  app.get(
    '/internal/sales/:saleId/audit',
    { schema: { params: Type.Object({ saleId: SaleId }) }, onRequest: deps.onRequest },
    async (request) => orUnavailable(audit(request.params.saleId), request.log),
  );
}
