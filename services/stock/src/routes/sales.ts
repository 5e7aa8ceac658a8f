import { ControlState, LIMITS, SaleId } from '@seckill/contracts';
import { Problem, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { Lanes } from '../lanes.ts';
import { orUnavailable } from '../unavailable.ts';
import type { CallerCheck } from './caller-check.ts';

const Params = Type.Object({ saleId: SaleId });

export function saleRoutes(
  app: Http,
  options: { lanes: Lanes; onReadRequest: CallerCheck; onControlRequest: CallerCheck },
): void {
  app.get(
    '/internal/sales/:saleId/state',
    { schema: { params: Params }, onRequest: options.onReadRequest },
    async (request) => orUnavailable(options.lanes.readState(request.params.saleId), request.log),
  );
  app.put(
    '/internal/sales/:saleId',
    {
      schema: { params: Params, body: ControlState },
      bodyLimit: LIMITS.saleBodyBytesMax,
      onRequest: options.onControlRequest,
    },
    async (request) => {
      if (request.body.saleId !== request.params.saleId) {
        throw new Problem('invalid_request', {
          detail: 'saleId: differs from the path',
          extra: { field: 'saleId' },
        });
      }
      return orUnavailable(options.lanes.applyControl(request.body), request.log);
    },
  );
}
