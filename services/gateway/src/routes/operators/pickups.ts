import { Readable } from 'node:stream';
import { detailOf, MoveRequest, PickupRequest, PickupsQuery, SaleId } from '@seckill/contracts';
import { addVary, Problem, systemClock, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import { tellCsv, wantsCsv } from '../../csv.ts';
import type { RouteDeps } from '../../deps.ts';
import { linesOfPickups } from '../../pickups/pickup-file.ts';
import { traceOf } from '../../upstream/trace.ts';
import { takenUp } from '../steering.ts';

/** The most that one page has. A file is made of as many as there are. */
const FILE_PAGE = 100;

/** What is handed out where, and that it was. */
export function pickupRoutes(app: Http, { authenticateOperator, changeRow, order }: RouteDeps): void {
  app.get(
    '/v1/sales/:saleId/pickups',
    {
      // A HEAD would read every page for nothing.
      exposeHeadRoute: false,
      onRequest: authenticateOperator,
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
      if (query.limit !== undefined) {
        throw new Problem('invalid_request', { detail: detailOf('file_has_all'), extra: { field: 'limit' } });
      }
      const read = async (cursor?: string) =>
        order.pickups(
          saleId,
          { ...query, limit: String(FILE_PAGE), ...(cursor === undefined ? {} : { cursor }) },
          trace,
        );
      // The first page is read before anything is sent. So a refusal is answered as a problem, and not in the
      // middle of a file.
      const first = await read(query.cursor);
      const place = query.channelId === undefined ? '' : `-${query.channelId}`;
      tellCsv(reply, `pickups-${saleId}${place}`);
      const gone = new AbortController();
      reply.raw.once('close', () => {
        gone.abort();
      });
      const source = { read, clock: systemClock, logger: request.log, signal: gone.signal };
      // What throws after the first byte destroys the connection: a file that is not whole never ends well.
      return reply.send(Readable.from(linesOfPickups(first, source)));
    },
  );

  app.post(
    '/v1/pickups',
    { onRequest: authenticateOperator, schema: { body: PickupRequest } },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      return order.handOut(request.body, takenUp(request), traceOf(request));
    },
  );

  app.post(
    '/v1/orders/:orderId/move',
    {
      onRequest: authenticateOperator,
      schema: {
        params: Type.Object({ orderId: Type.String({ minLength: 1, maxLength: 128 }) }),
        body: MoveRequest,
      },
    },
    async (request, reply) => {
      const { orderId } = request.params;
      reply.header('cache-control', 'no-store');
      const { channelId, reason } = request.body;
      const steering = takenUp(request, reason);
      const change = () => order.moveOrder(orderId, channelId, steering, traceOf(request));
      return changeRow(request, { orderId, change });
    },
  );
}
