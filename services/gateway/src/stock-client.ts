import type { Audit, Reservation, ReserveAnswer, ReserveItem, StockState } from '@seckill/contracts';
import { Problem, UpstreamError, type Upstream } from '@seckill/runtime';
import { expectBody } from './upstream-answer.ts';

export interface Hold {
  userId: string;
  reservation: Reservation;
}

export interface StockClient {
  /**
   * One reservation. A lost or late answer is `outcome_unknown`: units may have been taken, and the same key tells.
   * A call that surely was not sent is `sale_unavailable`.
   */
  reserve(item: ReserveItem, requestId: string): Promise<ReserveAnswer>;
  /** @throws Problem `sale_unavailable` when stock cannot be asked. */
  state(saleId: string, requestId: string): Promise<StockState>;
  /** @throws Problem `sale_not_found`; `sale_unavailable` when not every engine could be asked in time. */
  audit(saleId: string, requestId: string): Promise<Audit>;
  /** Undefined when there is no such hold. @throws Problem `order_not_ready` when stock cannot be asked. */
  hold(reservationId: string, requestId: string): Promise<Hold | undefined>;
}

/** Stock sums all orders of a sale twice, and waits for what is on its way. */
const AUDIT_TIMEOUT_MS = 10_000;

export function createStockClient(upstream: Upstream): StockClient {
  return {
    async reserve(item, requestId) {
      try {
        const answer = await upstream.call({
          method: 'POST',
          path: '/internal/reservations',
          body: [item],
          headers: { 'x-request-id': requestId },
        });
        // Stock shedding load answers before it touches Redis; any other 5xx may have come after the script.
        if (answer.status >= 500) return { outcome: 'outcome_unknown' };
        const first = (expectBody(answer) as ReserveAnswer[])[0];
        return first ?? { outcome: 'outcome_unknown' };
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error;
        return error.code === 'SECKILL_UPSTREAM_UNREACHABLE'
          ? { outcome: 'sale_unavailable', missing: false }
          : { outcome: 'outcome_unknown' };
      }
    },
    async state(saleId, requestId) {
      const path = `/internal/sales/${encodeURIComponent(saleId)}/state`;
      try {
        const answer = await upstream.call({
          method: 'GET',
          path,
          headers: { 'x-request-id': requestId },
        });
        return expectBody(answer) as StockState;
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error;
        throw new Problem('sale_unavailable', { cause: error });
      }
    },
    async audit(saleId, requestId) {
      const path = `/internal/sales/${encodeURIComponent(saleId)}/audit`;
      const headers = { 'x-request-id': requestId };
      try {
        const answer = await upstream.call({ method: 'GET', path, headers, timeoutMs: AUDIT_TIMEOUT_MS });
        return expectBody(answer) as Audit;
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error;
        throw new Problem('sale_unavailable', { cause: error });
      }
    },
    async hold(reservationId, requestId) {
      const path = `/internal/holds/${encodeURIComponent(reservationId)}`;
      try {
        const answer = await upstream.call({ method: 'GET', path, headers: { 'x-request-id': requestId } });
        // Stock without Redis cannot tell; the order may well be on its way.
        if (answer.status >= 500) throw new Problem('order_not_ready');
        return answer.status === 404 ? undefined : (expectBody(answer) as Hold);
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error;
        throw new Problem('order_not_ready', { cause: error });
      }
    },
  };
}
