import { Readable } from 'node:stream';
import {
  MoveRequest,
  parseReservationId,
  PickupRequest,
  PickupsQuery,
  SaleId,
  type Pickup,
  type PickupPage,
} from '@seckill/contracts';
import { addVary, Problem, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import { BYTE_ORDER_MARK, csvLine, tellCsv, wantsCsv } from '../../csv.ts';
import type { RouteDeps } from '../../deps.ts';
import { traceOf } from '../../upstream/trace.ts';

/** The most that one page has. A file is made of as many as there are. */
const FILE_PAGE = 100;

/** What is handed out where, and that it was. */
export function pickupRoutes(app: Http, { authenticateAdmin, order }: RouteDeps): void {
  app.get(
    '/v1/sales/:saleId/pickups',
    {
      // It would read every page for nothing.
      exposeHeadRoute: false,
      onRequest: authenticateAdmin,
      schema: { params: Type.Object({ saleId: SaleId }), querystring: PickupsQuery },
    },
    async (request, reply) => {
      const { saleId } = request.params;
      const { format, ...query } = request.query;
      const trace = traceOf(request);
      reply.header('cache-control', 'no-store');
      if (!wantsCsv(request, format)) {
        addVary(reply, 'accept');
        return order.pickups(saleId, query, trace);
      }
      const read = async (cursor?: string) =>
        order.pickups(
          saleId,
          { ...query, limit: String(FILE_PAGE), ...(cursor === undefined ? {} : { cursor }) },
          trace,
        );
      // The first page before anything is sent: what it refuses is a problem and no broken file.
      const first = await read(query.cursor);
      const place = query.channelId === undefined ? '' : `-${query.channelId}`;
      tellCsv(reply, `pickups-${saleId}${place}`);
      return reply.send(Readable.from(linesOf(first, read)));
    },
  );

  app.post(
    '/v1/pickups',
    { onRequest: authenticateAdmin, schema: { body: PickupRequest } },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      return order.handOut(request.body, request.identity.userId, traceOf(request));
    },
  );

  app.post(
    '/v1/orders/:orderId/move',
    {
      onRequest: authenticateAdmin,
      schema: {
        params: Type.Object({ orderId: Type.String({ minLength: 1, maxLength: 128 }) }),
        body: MoveRequest,
      },
    },
    async (request, reply) => {
      const { orderId } = request.params;
      if (parseReservationId(orderId) === undefined) throw new Problem('order_not_found');
      reply.header('cache-control', 'no-store');
      return order.moveOrder(orderId, request.body, request.identity.userId, traceOf(request));
    },
  );
}

/** The whole list from this page on, page by page, so that a gateway holds one of them at a time. */
async function* linesOf(
  first: PickupPage,
  read: (cursor: string) => Promise<PickupPage>,
): AsyncGenerator<string> {
  yield (
    BYTE_ORDER_MARK +
    csvLine([
      ...['code', 'items', 'name', 'phone', 'pickupPerson', 'note'],
      ...['channelId', 'pickedUpAt', 'orderId', 'userId'],
    ])
  );
  for (let page: PickupPage | undefined = first; page !== undefined;) {
    yield page.data.map(toLine).join('');
    page = page.nextCursor === undefined ? undefined : await read(page.nextCursor);
  }
}

function toLine({ code, lines, contact, channelId, pickedUpAt, orderId, userId }: Pickup): string {
  const items = lines.map(({ sku, quantity }) => `${quantity} × ${sku}`).join(', ');
  const person = [contact?.name, contact?.phone, contact?.pickupPerson, contact?.note];
  return csvLine([code, items, ...person, channelId, pickedUpAt, orderId, userId]);
}
