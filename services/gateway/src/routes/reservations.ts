import { ReserveRequest, SaleId, type ReserveAnswer } from '@seckill/contracts';
import { Problem, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { Services } from '../parts.ts';
import { traceOf } from '../trace.ts';
import { readIdempotencyKey } from '../idempotency-key.ts';
import { rejectionProblem } from '../outcome.ts';

const Params = Type.Object({ saleId: SaleId });

export function reservationRoutes(app: Http, { authenticate, reserver, order, metrics }: Services): void {
  app.post(
    '/v1/sales/:saleId/reservations',
    { onRequest: authenticate, schema: { params: Params, body: ReserveRequest } },
    async (request, reply) => {
      const { saleId } = request.params;
      const idempotencyKey = readIdempotencyKey(request.headers['idempotency-key']);
      refuseRepeatedSku(request.body);
      const trace = traceOf(request);
      const answer = await reserver.reserve({
        saleId,
        userId: request.identity.userId,
        idempotencyKey,
        ...request.body,
        ...(trace.traceparent === undefined ? {} : { traceparent: trace.traceparent }),
      });
      metrics.reservations.inc({ outcome: outcomeLabel(answer) });
      if (answer.outcome === 'reserved') {
        if (answer.replayed) reply.header('idempotent-replayed', 'true');
        return reply.code(201).header('cache-control', 'no-store').send(answer.reservation);
      }
      // Whether there is such a sale only order can tell; it throws `sale_not_found` (recovery.md, "The gate").
      if (answer.outcome === 'sale_unavailable' && answer.missing) {
        const { retired } = await order.sale(saleId, trace);
        if (retired !== undefined) throw new Problem('sale_closed');
      }
      throw rejectionProblem(answer);
    },
  );
}

function refuseRepeatedSku({ lines }: ReserveRequest): void {
  const seen = new Set<string>();
  for (const [index, { sku }] of lines.entries()) {
    if (seen.has(sku)) {
      throw new Problem('invalid_request', {
        detail: `lines.${index}.sku: one line per SKU`,
        extra: { field: `lines.${index}.sku` },
      });
    }
    seen.add(sku);
  }
}

function outcomeLabel(answer: ReserveAnswer): string {
  return answer.outcome === 'reserved' && answer.replayed ? 'replayed' : answer.outcome;
}
