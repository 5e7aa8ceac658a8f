import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Order, OrderStatus, ProblemDocument, Reservation, ReserveRequest } from '@seckill/contracts';
import type { Pool } from 'undici';
import type { History } from '../audit/history.ts';

export type Answer =
  | { reservation: Reservation }
  | { problem: Pick<ProblemDocument, 'code' | 'retryable'> & Record<string, unknown> };

export interface ShopperOptions {
  http: Pool;
  checkout: Pool;
  saleId: string;
  userId: string;
  token: string;
  history: History;
}

/**
 * How often one buyer repeats the same key before giving up. With the waits below this takes about half a
 * minute.
 */
const ATTEMPTS_MAX = 30;
/** These outcomes say nothing about the units, so the buyer sends the same key again. */
const REPEATED = new Set([
  'outcome_unknown',
  'overloaded',
  'sale_unavailable',
  'rate_limited',
  'sale_not_open',
]);

/**
 * One buyer's storefront. It sends reservations over HTTP as docs/http-api.md asks for in "What a client
 * does".
 */
export class Shopper {
  readonly #options: ShopperOptions;

  constructor(options: ShopperOptions) {
    this.#options = options;
  }

  newKey(): string {
    return randomUUID();
  }

  /** Sends a reservation and repeats the same key until there is a definite answer. */
  async reserve(request: ReserveRequest, idempotencyKey: string): Promise<Answer> {
    const { history, saleId } = this.#options;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const answer = await this.#send(request, idempotencyKey);
      if ('reservation' in answer || !REPEATED.has(answer.problem.code)) return answer;
      await sleep(retryMs(answer.problem));
    }
    history.unresolved.push({ saleId, idempotencyKey });
    return { problem: { code: 'outcome_unknown', retryable: true } };
  }

  /**
   * Cancels an order, or pays it in the sandbox. Repeats the call while the order is on its way.
   * @returns what the order is now, or undefined when there never was a definite answer.
   */
  async end(orderId: string, verb: 'cancel' | 'pay'): Promise<OrderStatus | undefined> {
    const { checkout, token } = this.#options;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      try {
        const response = await checkout.request({
          method: 'POST',
          path: `/v1/orders/${orderId}/${verb}`,
          headers: { authorization: `Bearer ${token}` },
        });
        const body = await response.body.json();
        if (response.statusCode === 200) return (body as Order).status;
        const problem = body as ProblemDocument;
        if (problem.code === 'order_not_pending') return problem['orderStatus'] as OrderStatus;
        if (!problem.retryable) return undefined;
      } catch {
        // No answer came. Both calls may be repeated.
      }
      await sleep(300 + Math.random() * 200);
    }
    return undefined;
  }

  async #send(request: ReserveRequest, idempotencyKey: string): Promise<Answer> {
    const { http, saleId, userId, token, history } = this.#options;
    try {
      const response = await http.request({
        method: 'POST',
        path: `/v1/sales/${saleId}/reservations`,
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'idempotency-key': idempotencyKey,
        },
        body: JSON.stringify(request),
      });
      const body = await response.body.text();
      if (response.statusCode === 201) {
        return { reservation: history.accept(saleId, userId, idempotencyKey, body) };
      }
      const problem = JSON.parse(body) as ProblemDocument;
      history.reject(saleId, problem.code);
      return { problem };
    } catch {
      // No answer came at all. A client cannot know more than `outcome_unknown`.
      history.reject(saleId, 'no_answer');
      return { problem: { code: 'outcome_unknown', retryable: true } };
    }
  }
}

function retryMs(problem: Record<string, unknown>): number {
  const opensAt = typeof problem['opensAt'] === 'string' ? Date.parse(problem['opensAt']) - Date.now() : 0;
  // The wait is spread over 200 ms. A storefront adds jitter, because its own buyers would arrive as one wave
  // without it.
  return Math.min(5_000, Math.max(opensAt, 300)) + Math.random() * 200;
}
