import { SaleId } from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { RouteDeps } from '../deps.ts';
import { addressOf } from '../limits/admission.ts';
import { traceOf } from '../upstream/trace.ts';

const Params = Type.Object({ saleId: SaleId });
const Query = Type.Object({ counts: Type.Optional(Type.Literal('true')) }, { additionalProperties: false });

/** The live sale, as Server-Sent Events. */
export function saleEventsRoute(app: Http, { admitReader, events }: RouteDeps): void {
  app.addHook('preClose', async () => {
    events.close();
  });

  app.get(
    '/v1/sales/:saleId/events',
    {
      onRequest: admitReader,
      schema: { params: Params, querystring: Query },
      config: { isCrowded: true, isStream: true },
      // The headers alone would say nothing, and a HEAD would hold a place.
      exposeHeadRoute: false,
    },
    async (request, reply) => {
      const { saleId } = request.params;
      const lastEventId = request.headers['last-event-id'];
      const { state, accept, leave } = await events.join(saleId, addressOf(request), traceOf(request));
      const response = reply.raw;
      if (response.destroyed) {
        leave();
        return reply.hijack();
      }
      if (state.isClosed && lastEventId === state.id) {
        leave();
        // A browser takes this as the end, and does not come back.
        return reply.code(204).send();
      }
      reply.hijack();
      // A listener is no request that is being served: it would hold one of their places.
      request.leavePlace?.();
      // No chunks: each event goes out as it is, and the end of the connection ends the answer.
      response.removeHeader('transfer-encoding');
      response.writeHead(200, {
        ...(reply.getHeaders() as Record<string, string>),
        'content-type': 'text/event-stream; charset=utf-8',
        // A proxy that changes or gathers events makes them late (`x-accel-buffering` is nginx' own word).
        'cache-control': 'no-store, no-transform',
        'x-accel-buffering': 'no',
        connection: 'close',
      });
      accept(response, {
        ...(typeof lastEventId === 'string' ? { lastEventId } : {}),
        hearsCounts: request.query.counts === 'true',
      });
      return reply;
    },
  );
}
