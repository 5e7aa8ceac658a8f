import {
  detailOf,
  isValidMetadata,
  LIMITS,
  ReserveRequest,
  SaleId,
  type BuyerAnswer,
  type Contact,
  type ReserveItem,
} from '@seckill/contracts';
import { languageOf, Problem, retryAfterOf, tellLanguage, type Http } from '@seckill/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { CertainRejection } from '../memory/certain-rejection.ts';
import type { RouteDeps } from '../deps.ts';
import { EndedOrders } from '../orders/ended-orders.ts';
import { KeysUnderWay } from '../upstream/keys-under-way.ts';
import { traceOf } from '../upstream/trace.ts';
import { readIdempotencyKey } from './idempotency-key.ts';
import { rejectionProblem } from '../rejection-problem.ts';
import { PrebuiltRejections } from '../memory/prebuilt.ts';

const Params = Type.Object({ saleId: SaleId });

export function reservationRoutes(app: Http, deps: RouteDeps): void {
  const { authenticate, memory, metrics, recent, tally } = deps;
  const prebuilt = new PrebuiltRejections(deps.docsBaseUrl);
  const underWay = new KeysUnderWay();
  const endedOrders = new EndedOrders(deps.order);

  function count(saleId: string, outcome: string): void {
    metrics.reservations.inc({ outcome });
    tally.add(saleId, outcome);
  }

  /** Without a key of the operator a contact is refused: it would stand open behind the gateway. */
  function sealContact(contact: Contact, owner: ReserveItem) {
    const sealed = deps.contacts.seal(contact, owner);
    if (sealed !== undefined) return sealed;
    const field = 'contact';
    throw new Problem('invalid_request', {
      detail: detailOf('contact_not_kept', { field }),
      extra: { field },
    });
  }

  /** The answer from memory is the cheapest path (D9): it needs neither stock nor JSON. */
  function rejectFromMemory(request: FastifyRequest, reply: FastifyReply, rejection: CertainRejection): void {
    const language = languageOf(request.headers['accept-language']);
    const { status, retryAfterSeconds, body } = prebuilt.build(rejection, request.id, language);
    if (retryAfterSeconds !== undefined) reply.header('retry-after', retryAfterOf(retryAfterSeconds));
    tellLanguage(reply, language);
    void reply.code(status).header('content-type', 'application/problem+json; charset=utf-8').send(body);
  }

  app.post(
    '/v1/sales/:saleId/reservations',
    {
      onRequest: authenticate,
      schema: { params: Params, body: ReserveRequest },
      config: { isCrowded: true },
    },
    // What memory can answer needs no promise.
    (request, reply) => {
      const { saleId } = request.params;
      const { userId } = request.identity;
      const idempotencyKey = readIdempotencyKey(request.headers['idempotency-key']);
      refuseRepeatedSku(request.body);
      refuseInvalidMetadata(request.body);
      const { traceparent } = traceOf(request);
      const { contact, ...wanted } = request.body;
      const item: ReserveItem = { saleId, userId, idempotencyKey, ...wanted };
      if (contact !== undefined) Object.assign(item, sealContact(contact, item));
      if (traceparent !== undefined) item.traceparent = traceparent;

      const waiting = underWay.find(item);
      const rejection = waiting === undefined ? memory?.answer(item) : undefined;
      if (rejection !== undefined) {
        count(saleId, rejection.outcome);
        rejectFromMemory(request, reply, rejection);
        return;
      }
      const asked = waiting ?? askStock(deps, item);
      underWay.add(item, asked);
      return answerFromStock(request, reply, asked, waiting !== undefined);
    },
  );

  async function answerFromStock(
    request: FastifyRequest,
    reply: FastifyReply,
    asked: Promise<BuyerAnswer>,
    isWaiting: boolean,
  ) {
    const first = await asked;
    const answer: BuyerAnswer =
      isWaiting && first.outcome === 'reserved' && !first.replayed
        ? { ...first, replayed: true, orderStatus: 'pending' }
        : first;
    count((request.params as { saleId: string }).saleId, outcomeLabel(answer));
    if (answer.outcome === 'reserved') {
      recent.add(answer.reservation);
      // INV-4: a repeat gets the first answer's bytes. What has become of the order stands beside them.
      if (answer.replayed) {
        // What was reserved for the first time while this repeat waited has no end.
        const isNew = first.outcome === 'reserved' && !first.replayed;
        const status = isNew ? answer.orderStatus : await endedOrders.statusOf(answer, traceOf(request));
        reply.headers({ 'idempotent-replayed': 'true', 'order-status': status });
      }
      return reply.code(201).header('cache-control', 'no-store').send(answer.reservation);
    }
    // Only order can tell whether there is such a sale. Order throws `sale_not_found` (docs/recovery.md).
    if (answer.outcome === 'sale_unavailable' && answer.missing) {
      const { saleId } = request.params as { saleId: string };
      const { retired } = await deps.order.sale(saleId, traceOf(request));
      if (retired !== undefined) throw new Problem('sale_closed');
    }
    throw rejectionProblem(answer);
  }
}

async function askStock({ reserver, memory }: RouteDeps, item: ReserveItem): Promise<BuyerAnswer> {
  const answer = await reserver.reserve(item);
  // A repeat of a key that may have reserved must reach stock, even before stock's announcement has reached
  // us (INV-4).
  const mayHaveReserved = answer.outcome === 'reserved' || answer.outcome === 'outcome_unknown';
  if (mayHaveReserved) memory?.noteKey(item);
  return answer;
}

function refuseRepeatedSku({ lines }: ReserveRequest): void {
  const seen = new Set<string>();
  for (const [index, { sku }] of lines.entries()) {
    if (seen.has(sku)) {
      throw new Problem('invalid_request', {
        detail: detailOf('sku_repeated', { field: `lines.${index}.sku` }),
        extra: { field: `lines.${index}.sku` },
      });
    }
    seen.add(sku);
  }
}

function refuseInvalidMetadata({ metadata }: ReserveRequest): void {
  if (metadata === undefined || isValidMetadata(metadata)) return;
  const values = { field: 'metadata', max: LIMITS.metadataBytesMax, depth: LIMITS.metadataDepthMax };
  throw new Problem('invalid_request', {
    detail: detailOf('metadata_invalid', values),
    extra: { field: 'metadata' },
  });
}

function outcomeLabel(answer: BuyerAnswer): string {
  return answer.outcome === 'reserved' && answer.replayed ? 'replayed' : answer.outcome;
}
