import {
  BuyerOrdersQuery,
  IdempotencyKey,
  ReasonRequest,
  ReturnRequest,
  SaleId,
  SaleOrdersQuery,
  UserId,
} from '@seckill/contracts';
import { optionalBody, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { OperatorOrders } from '../orders/operator-orders.ts';
import { refuse } from '../invalid-request.ts';
import { instantOf } from './query-values.ts';
import { readSteering } from './sales.ts';

const idempotencyKey = Compile(IdempotencyKey);
const SaleParams = Type.Object({ saleId: SaleId });
const BuyerParams = Type.Object({ userId: UserId });
const OrderParams = Type.Object({ saleId: SaleId, orderId: Type.String() });

/** The routes for the gateway, which has checked that an operator asks. An order's id names its sale. */
export function operatorOrdersRoutes(app: Http, orders: OperatorOrders): void {
  app.get(
    '/v1/sales/:saleId/orders',
    { schema: { params: SaleParams, querystring: SaleOrdersQuery } },
    async ({ params, query: { limit, since, until, ...rest } }) => {
      const from = instantOf('since', since);
      const before = instantOf('until', until);
      return orders.list(params.saleId, {
        ...rest,
        ...(from === undefined ? {} : { since: from }),
        ...(before === undefined ? {} : { until: before }),
        ...(limit === undefined ? {} : { limit: Number(limit) }),
      });
    },
  );

  app.get(
    '/v1/users/:userId/orders',
    { schema: { params: BuyerParams, querystring: BuyerOrdersQuery } },
    async ({ params, query: { limit, ...rest } }) =>
      orders.listOfBuyer({
        ...params,
        ...rest,
        ...(limit === undefined ? {} : { limit: Number(limit) }),
      }),
  );

  app.get('/v1/sales/:saleId/orders/:orderId', { schema: { params: OrderParams } }, async ({ params }) =>
    orders.read(params.saleId, params.orderId),
  );

  app.post(
    '/v1/sales/:saleId/orders/:orderId/cancel',
    { preValidation: optionalBody, schema: { params: OrderParams, body: ReasonRequest } },
    async ({ params: { saleId, orderId }, body, headers }) =>
      orders.cancel(saleId, orderId, readSteering(headers, body.reason)),
  );

  app.post(
    '/v1/sales/:saleId/orders/:orderId/returns',
    { schema: { params: OrderParams, body: ReturnRequest } },
    async ({ params, body, headers }) => {
      const key = headers['idempotency-key'];
      if (!idempotencyKey.Check(key)) refuse('missing_or_malformed', 'idempotency-key');
      const { reason, ...wanted } = body;
      return orders.giveBack({ ...params, ...wanted, idempotencyKey: key, ...readSteering(headers, reason) });
    },
  );
}
