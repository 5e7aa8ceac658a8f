import { detailOf, SaleId, UserId } from '@seckill/contracts';
import { Problem, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { BuyerHolds } from '../buyer-holds/buyer-holds.ts';
import { orUnavailable } from './unavailable.ts';
import type { CallerCheck } from './caller-check.ts';

const userId = Compile(UserId);
const Query = Type.Object({ saleId: Type.Optional(SaleId) }, { additionalProperties: false });

/** The buyer is named in `x-user-id`, as in the calls to order. */
export function buyerHoldsRoute(
  app: Http,
  deps: { buyerHolds: Pick<BuyerHolds, 'read'>; onRequest: CallerCheck },
): void {
  app.get(
    '/internal/buyers/holds',
    { schema: { querystring: Query }, onRequest: deps.onRequest },
    async (request) => {
      const field = 'x-user-id';
      const buyer = request.headers[field];
      if (!userId.Check(buyer)) {
        throw new Problem('invalid_request', {
          detail: detailOf('missing_or_malformed', { field }),
          extra: { field },
        });
      }
      return orUnavailable(deps.buyerHolds.read(buyer, request.query.saleId), request.log);
    },
  );
}
