import { parseReservationId, type Order, type Reservation } from '@seckill/contracts';
import { Problem, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { Services } from '../app.ts';

const Params = Type.Object({ orderId: Type.String({ minLength: 1, maxLength: 128 }) });

export function orderRoutes(app: Http, { authenticate, order, stock }: Services): void {
  app.get(
    '/v1/orders/:orderId',
    { onRequest: authenticate, schema: { params: Params } },
    async (request, reply) => {
      const { orderId } = request.params;
      const { userId } = request.identity;
      reply.header('cache-control', 'no-store');
      if (parseReservationId(orderId) === undefined) throw new Problem('order_not_found');
      const stored = await order.order(orderId, userId, request.id);
      if (stored !== undefined) return stored;
      // The row may still be on its way; the hold knows. A stranger learns nothing but 404.
      const hold = await stock.hold(orderId, request.id);
      if (hold?.userId === userId) return orderFromHold(hold.reservation);
      throw new Problem('order_not_found');
    },
  );

  app.get('/v1/orders', { onRequest: authenticate }, async (request, reply) => {
    reply.header('cache-control', 'no-store');
    const question = request.url.indexOf('?');
    const query = question === -1 ? '' : request.url.slice(question);
    return order.orders(query, request.identity.userId, request.id);
  });
}

function orderFromHold({ userId: _owner, ...order }: Reservation): Order {
  return order;
}
