import { SaleId } from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { Standings } from '../standing/standings.ts';
import type { CallerCheck } from './caller-check.ts';

export function standingRoute(
  app: Http,
  deps: { standings: Pick<Standings, 'read'>; onRequest: CallerCheck },
): void {
  app.get(
    '/internal/sales/:saleId/standing',
    { schema: { params: Type.Object({ saleId: SaleId }) }, onRequest: deps.onRequest },
    async (request) => deps.standings.read(request.params.saleId),
  );
}
