import type {
  Audit,
  BuyerHolds,
  Contact,
  FullState,
  Reservation,
  StockStanding,
  StockState,
} from '@seckill/contracts';
import {
  Problem,
  UpstreamError,
  type Upstream,
  type UpstreamAnswer,
  type UpstreamCall,
} from '@seckill/runtime';
import type { Contacts } from '../contacts/contacts.ts';
import { Absence } from './absence.ts';
import { traceHeaders, type Trace } from './trace.ts';
import { expectBody, isMissingRoute } from './upstream-answer.ts';

/** Why stock tells nothing of a sale's standing. */
export interface StockAway {
  isAway: true;
  since?: number;
}

export interface Hold {
  userId: string;
  reservation: Reservation;
  contact?: Contact;
}

/** As stock tells it. */
type SealedHold = Omit<Hold, 'contact'> & { contact?: string };

/** What the gateway reads from stock. Reservations go through reserver.ts. */
export interface StockClient {
  /** @throws Problem `sale_unavailable` when stock cannot be asked. */
  state(saleId: string, trace: Trace): Promise<StockState>;
  /** @throws UpstreamError, Problem: the caller asks again later. */
  fullState(saleId: string): Promise<FullState>;
  /** @throws Problem `sale_not_found`; `sale_unavailable` when not every engine could be asked in time. */
  audit(saleId: string, trace: Trace): Promise<Audit>;
  /**
   * What stock knows, or that it gives no answer that can be used. A stock of the release before has no such
   * route and tells its state alone.
   */
  standing(saleId: string, trace: Trace): Promise<StockStanding | StockAway>;
  /** Undefined when there is no such hold. @throws Problem `order_not_ready` when stock cannot be asked. */
  hold(reservationId: string, trace: Trace): Promise<Hold | undefined>;
  /**
   * What the buyer holds in all sales, or in one. Empty also when stock gives no answer, or none that can
   * be used.
   */
  buyerHolds(userId: string, saleId: string | undefined, trace: Trace): Promise<BuyerHolds[]>;
}

/**
 * The time-out is long because a million users are read in steps of a thousand, between other work of Redis.
 */
const FULL_STATE_MS = 15_000;
/**
 * The time-out is long because an audit has PostgreSQL sum all orders of a sale twice, and waits for what is
 * on its way.
 */
const AUDIT_TIMEOUT_MS = 10_000;
/** A list of orders is answered without stock's word rather than late. */
const BUYER_HOLDS_MS = 1_000;
/** Stock gives Kafka a second to answer, and Redis half a second for each question. */
const STANDING_MS = 3_000;

export function createStockClient(upstream: Upstream, contacts: Pick<Contacts, 'open'>): StockClient {
  const absence = new Absence();
  /** @throws UpstreamError */
  async function call(request: UpstreamCall): Promise<UpstreamAnswer> {
    try {
      const answer = await upstream.call(request);
      absence.isThere();
      return answer;
    } catch (error) {
      if (error instanceof UpstreamError) absence.isAway();
      throw error;
    }
  }
  async function readState(saleId: string, trace: Trace): Promise<StockState> {
    const path = `/internal/sales/${encodeURIComponent(saleId)}/state`;
    return expectBody(await call({ method: 'GET', path, headers: traceHeaders(trace) })) as StockState;
  }

  return {
    async state(saleId, trace) {
      try {
        return await readState(saleId, trace);
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error;
        throw new Problem('sale_unavailable', { cause: error });
      }
    },
    async audit(saleId, trace) {
      const path = `/internal/sales/${encodeURIComponent(saleId)}/audit`;
      const headers = traceHeaders(trace);
      try {
        const answer = await call({ method: 'GET', path, headers, timeoutMs: AUDIT_TIMEOUT_MS });
        return expectBody(answer) as Audit;
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error;
        throw new Problem('sale_unavailable', { cause: error });
      }
    },
    async standing(saleId, trace) {
      const path = `/internal/sales/${encodeURIComponent(saleId)}/standing`;
      const headers = traceHeaders(trace);
      try {
        const answer = await call({ method: 'GET', path, headers, timeoutMs: STANDING_MS });
        if (isMissingRoute(answer)) return { state: await readState(saleId, trace), fullChannels: [] };
        return expectBody(answer) as StockStanding;
      } catch (error) {
        if (!(error instanceof UpstreamError) && !(error instanceof Problem)) throw error;
        const { since } = absence;
        return { isAway: true, ...(since === undefined ? {} : { since }) };
      }
    },
    async fullState(saleId) {
      const path = `/internal/sales/${encodeURIComponent(saleId)}/state?full=true`;
      return expectBody(await call({ method: 'GET', path, timeoutMs: FULL_STATE_MS })) as FullState;
    },
    async hold(reservationId, trace) {
      const path = `/internal/holds/${encodeURIComponent(reservationId)}`;
      try {
        const answer = await call({ method: 'GET', path, headers: traceHeaders(trace) });
        // Stock without Redis cannot tell. The order may well be on its way.
        if (answer.status >= 500) throw new Problem('order_not_ready');
        if (answer.status === 404) return undefined;
        const { userId, reservation, contact: sealed } = expectBody(answer) as SealedHold;
        const { contact } = contacts.open(
          { ...reservation, ...(sealed === undefined ? {} : { contact: sealed }) },
          userId,
        );
        return { userId, reservation, ...(contact === undefined ? {} : { contact }) };
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error;
        throw new Problem('order_not_ready', { cause: error });
      }
    },
    async buyerHolds(userId, saleId, trace) {
      const query = saleId === undefined ? '' : `?saleId=${encodeURIComponent(saleId)}`;
      const path = `/internal/buyers/holds${query}`;
      const headers = { ...traceHeaders(trace), 'x-user-id': userId };
      try {
        const request = { method: 'GET', path, headers, timeoutMs: BUYER_HOLDS_MS } as const;
        const { status, body } = await upstream.call(request);
        return status === 200 && Array.isArray(body) ? (body as BuyerHolds[]) : [];
      } catch (error) {
        if (error instanceof UpstreamError) return [];
        throw error;
      }
    },
  };
}
