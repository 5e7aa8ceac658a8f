import { MoveRequest, PickupRequest, PickupsQuery, SaleId } from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { Pickups } from '../pickups/pickups.ts';
import type { Reports } from '../report/reports.ts';
import { readSteering } from './sales.ts';

const SaleParams = Type.Object({ saleId: SaleId });
const OrderParams = Type.Object({ saleId: SaleId, orderId: Type.String() });
/** The gateway makes CSV. */
const ListQuery = Type.Omit(PickupsQuery, ['format']);

/** What operators do after the sale. The gateway has checked that an operator asks. */
export function afterSaleRoutes(
  app: Http,
  { pickups, reports }: { pickups: Pickups; reports: Reports },
): void {
  app.get('/v1/sales/:saleId/report', { schema: { params: SaleParams } }, async ({ params }) =>
    reports.read(params.saleId),
  );

  app.get(
    '/v1/sales/:saleId/pickups',
    { schema: { params: SaleParams, querystring: ListQuery } },
    async ({ params, query: { limit, ...rest } }) =>
      pickups.list(params.saleId, { ...rest, ...(limit === undefined ? {} : { limit: Number(limit) }) }),
  );

  app.post('/v1/pickups', { schema: { body: PickupRequest } }, async ({ body, headers }) =>
    pickups.handOut(body, readSteering(headers)),
  );

  app.post(
    '/v1/sales/:saleId/orders/:orderId/move',
    { schema: { params: OrderParams, body: MoveRequest } },
    async ({ params, body: { channelId, reason }, headers }) =>
      pickups.move({ ...params, channelId, ...readSteering(headers, reason) }),
  );
}
