import { LIMITS, RestockRequest, SaleId, SaleInput, Sku, type SaleRecord } from '@seckill/contracts';
import { addVary, Problem, type Http } from '@seckill/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { RouteDeps } from '../deps.ts';
import type { Steering } from '../upstream/order-client.ts';
import { traceOf } from '../upstream/trace.ts';
import { readIdempotencyKey } from './idempotency-key.ts';
import { readIfMatch } from './if-match.ts';
import { etagOf, matchesEtag, retiredState, viewSale } from '../sale-view.ts';

const Params = Type.Object({ saleId: SaleId });
const ItemParams = Type.Object({ saleId: SaleId, sku: Sku });

export function saleRoutes(app: Http, deps: RouteDeps): void {
  const { authenticateAdmin, order, stock } = deps;

  async function sendSale(
    request: FastifyRequest,
    reply: FastifyReply,
    record: SaleRecord,
    isAdmin: boolean,
  ) {
    const state = retiredState(record) ?? (await stock.state(record.definition.id, traceOf(request)));
    // The sale was loaded once and its state is gone. What was sold is not known here now, and "all
    // available" would be untrue.
    if (state.gate === 'missing' && record.acknowledged) throw new Problem('sale_unavailable');
    const sale = viewSale(record, state, isAdmin);
    const etag = etagOf(sale);
    reply.header('etag', etag).header('cache-control', 'no-cache');
    addVary(reply, 'authorization');
    if (request.method === 'GET' && matchesEtag(request.headers['if-none-match'], etag)) {
      return reply.code(304).send();
    }
    return reply.send(sale);
  }

  app.post(
    '/v1/sales',
    { onRequest: authenticateAdmin, bodyLimit: LIMITS.saleBodyBytesMax, schema: { body: SaleInput } },
    async (request, reply) => {
      const { isNew, record } = await order.createSale(request.body, traceOf(request));
      reply.code(isNew ? 201 : 200);
      return sendSale(request, reply, record, true);
    },
  );

  app.get(
    '/v1/sales/:saleId',
    { onRequest: deps.admit, schema: { params: Params } },
    async (request, reply) => {
      const isAdmin = await readsAsAdmin(deps, request.headers.authorization);
      const record = await order.sale(request.params.saleId, traceOf(request));
      return sendSale(request, reply, record, isAdmin);
    },
  );

  for (const verb of ['pause', 'resume', 'close'] as const) {
    app.post(
      `/v1/sales/:saleId/${verb}`,
      { onRequest: authenticateAdmin, schema: { params: Params } },
      async (request, reply) => {
        const record = await order.controlSale(
          request.params.saleId,
          verb,
          steeringOf(request),
          traceOf(request),
        );
        return sendSale(request, reply, record, true);
      },
    );
  }

  app.post(
    '/v1/sales/:saleId/items/:sku/restock',
    { onRequest: authenticateAdmin, schema: { params: ItemParams, body: RestockRequest } },
    async (request, reply) => {
      const idempotencyKey = readIdempotencyKey(request.headers['idempotency-key']);
      const restock = { ...request.params, ...request.body, idempotencyKey };
      return sendSale(
        request,
        reply,
        await order.restock(restock, steeringOf(request), traceOf(request)),
        true,
      );
    },
  );
}

/**
 * Reading needs no token. A token that is sent must be good, or the reader would wonder why fields are
 * missing.
 */
async function readsAsAdmin({ identifier }: RouteDeps, authorization: string | undefined): Promise<boolean> {
  if (authorization === undefined) return false;
  const identity = await identifier.identify(authorization);
  return identity.isAdmin;
}

function steeringOf({ headers }: FastifyRequest): Steering {
  const version = readIfMatch(headers['if-match']);
  return { startedAt: performance.now(), ...(version === undefined ? {} : { version }) };
}
