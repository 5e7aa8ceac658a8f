import { BuyerOrdersQuery, detailOf, UserId } from '@seckill/contracts';
import { Problem, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { OrderQuery } from '../orders/order-page.ts';
import type { Orders } from '../orders/orders.ts';
import { readSteering } from './sales.ts';

const userId = Compile(UserId);

type Headers = Parameters<typeof readSteering>[0];

const OrderParams = Type.Object({ orderId: Type.String() });

/** The routes for the gateway, which has checked who the user is and names the user in `x-user-id`. */
export function ordersRoutes(app: Http, orders: Orders, isSandbox: boolean): void {
  const schema = { params: OrderParams };

  app.get('/v1/orders/:orderId', { schema }, async ({ params, headers }) =>
    orders.read(params.orderId, userOf(headers)),
  );

  app.post('/v1/orders/:orderId/cancel', { schema }, async ({ params, headers }) =>
    orders.cancel(params.orderId, userOf(headers), readSteering(headers).deadline),
  );

  if (isSandbox) {
    app.post('/v1/orders/:orderId/pay', { schema }, async ({ params, headers }) =>
      orders.paySandbox(params.orderId, userOf(headers), readSteering(headers).deadline),
    );
  }

  app.get('/v1/orders', { schema: { querystring: BuyerOrdersQuery } }, async ({ query, headers }) => {
    const { limit, ...rest } = query;
    const wanted: OrderQuery = { userId: userOf(headers), ...rest };
    return orders.list(limit === undefined ? wanted : { ...wanted, limit: Number(limit) });
  });
}

function userOf(headers: Headers): string {
  const given = headers['x-user-id'];
  if (userId.Check(given)) return given;
  throw new Problem('invalid_request', {
    detail: detailOf('missing_or_malformed', { field: 'x-user-id' }),
    extra: { field: 'x-user-id' },
  });
}
