import type { OrderStatus, ReserveAnswer } from '@seckill/contracts';
import type { OrderClient } from '../upstream/order-client.ts';
import type { Trace } from '../upstream/trace.ts';

type Replay = Extract<ReserveAnswer, { outcome: 'reserved'; replayed: true }>;

/**
 * A crowd that repeats must not ask PostgreSQL for each, nor take the connections of those who pay. Beyond
 * this number of orders a repeat hears what Redis knows.
 */
const ASKED_COUNT_MAX = 8;

/**
 * What the order of a repeated key is now. Redis hears of an end through Kafka, so while Kafka is away it
 * goes on saying "pending" of an order that was paid, and the buyer would be sent to pay once more.
 */
export class EndedOrders {
  readonly #order: Pick<OrderClient, 'orderStatus'>;
  /** By the id of the order. All repeats of a key share one question. */
  readonly #asked = new Map<string, Promise<OrderStatus | undefined>>();

  constructor(order: Pick<OrderClient, 'orderStatus'>) {
    this.#order = order;
  }

  async statusOf({ orderStatus, reservation }: Replay, trace: Trace): Promise<OrderStatus> {
    // No other end changes any more. One that expired may be paid by late money.
    const mayHaveEnded = orderStatus === 'pending' || orderStatus === 'expired';
    const told = mayHaveEnded ? await this.#ask(reservation, trace) : undefined;
    // PostgreSQL calls an order pending until expiry has come by, and Redis may know the end already.
    return told === undefined || told === 'pending' ? orderStatus : told;
  }

  async #ask({ id, userId }: Replay['reservation'], trace: Trace): Promise<OrderStatus | undefined> {
    const asked = this.#asked.get(id);
    if (asked !== undefined || this.#asked.size >= ASKED_COUNT_MAX) return asked;
    const answer = this.#order.orderStatus(id, userId, trace).finally(() => this.#asked.delete(id));
    this.#asked.set(id, answer);
    return answer;
  }
}
