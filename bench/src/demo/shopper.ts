import { createClient, type AnyFailure, type Client, type Failure, type Transport } from '@seckill/client';
import type { OrderStatus, ProblemDocument, Reservation, ReserveRequest } from '@seckill/contracts';
import type { History } from '../audit/history.ts';
import type { WayIn } from './way-in.ts';

export type Refusal = Failure<'reserve'>;
export type Answer = { reservation: Reservation } | { problem: Refusal };

export interface ShopperOptions {
  wayIn: WayIn;
  saleId: string;
  userId: string;
  token: string;
  history: History;
}

/**
 * Longer than the demo takes on a machine that is busy with something else: a call includes the wait for the
 * way in. Who has no definite answer by then never gets one.
 */
const GIVE_UP_MS = 300_000;
/**
 * A "no, for now". The client asks again for as long as the buyer wants it. After every other answer that may
 * be repeated it asks again in any case.
 */
const NOT_NOW = new Set<string>([
  'sold_out',
  'limit_reached',
  'channel_full',
  'sale_paused',
  'item_paused',
  'rejoin_later',
]);

interface ReserveOptions {
  /** The key of an earlier call. Without one, the client makes a key. */
  key?: string;
  /** Whether the buyer waits after a "no, for now". */
  waitsFor?: (refusal: Refusal) => boolean;
}

/** One buyer's storefront, on `@seckill/client`. */
export class Shopper {
  readonly #options: ShopperOptions;
  readonly #buying: Client;
  readonly #paying: Client;

  constructor(options: ShopperOptions) {
    this.#options = options;
    const { token, wayIn } = options;
    const common = { baseUrl: '', token, deadlineMs: GIVE_UP_MS, timeoutMs: GIVE_UP_MS };
    this.#buying = createClient({ ...common, transport: this.#recorded(wayIn.click) });
    this.#paying = createClient({ ...common, transport: wayIn.checkout });
  }

  /** Reserves, and repeats under the same key until there is a definite answer. */
  async reserve(
    request: ReserveRequest,
    { key, waitsFor = () => false }: ReserveOptions = {},
  ): Promise<Answer> {
    const { history, saleId } = this.#options;
    const leaving = new AbortController();
    let refusal: Refusal | undefined;
    const onWait = (failure: AnyFailure): void => {
      const told = failure as Refusal;
      if (!NOT_NOW.has(told.code) || waitsFor(told)) return;
      refusal = told;
      leaving.abort();
    };
    const result = await this.#buying.reserve(saleId, request, {
      onWait,
      signal: leaving.signal,
      ...(key === undefined ? {} : { key }),
    });
    if (result.ok) return { reservation: result.value };
    if (refusal !== undefined) return { problem: refusal };
    if ((result.retryable || result.inDoubt) && !NOT_NOW.has(result.code)) {
      history.unresolved.push({ saleId, idempotencyKey: result.key });
    }
    return { problem: result };
  }

  /**
   * Cancels an order, or pays it in the sandbox.
   * @returns what the order is now, or undefined when there never was a definite answer.
   */
  async end(orderId: string, verb: 'cancel' | 'pay'): Promise<OrderStatus | undefined> {
    const result = await this.#paying[verb](orderId);
    if (result.ok) return result.value.status;
    return result.code === 'order_not_pending' ? result.orderStatus : undefined;
  }

  /** The audit holds the engines against every answer, byte by byte, also those that the client repeats. */
  #recorded(transport: Transport): Transport {
    const { history, saleId, userId } = this.#options;
    return async (request) => {
      const answer = await transport(request).catch((error: unknown) => {
        history.reject(saleId, 'no_answer');
        throw error;
      });
      const key = request.headers['idempotency-key'] ?? '';
      if (answer.status === 201) history.accept(saleId, userId, key, answer.text);
      else history.reject(saleId, (JSON.parse(answer.text) as ProblemDocument).code);
      return answer;
    };
  }
}
