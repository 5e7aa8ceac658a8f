import type { OrderStatus, ReserveAnswer } from '@seckill/contracts';
import type { OrderClient } from '../upstream/order-client.ts';
import type { Trace } from '../upstream/trace.ts';

type Replay = Extract<ReserveAnswer, { outcome: 'reserved'; replayed: true }>;

/** A crowd that repeats must not ask PostgreSQL for each. Beyond it a repeat hears what Redis knows. */
const ASKED_COUNT_MAX = 32;

/**
 * What the order of a repeated key is now. Redis hears of an end through Kafka, so while Kafka is away it
 * goes on saying "pending" of an order that was paid, and the buyer would be sent to pay once more.
 */
export class EndedOrders {
  readonly #order: Pick<OrderClient, 'orderStatus'>;
  #asked = 0;

  constructor(order: Pick<OrderClient, 'orderStatus'>) {
    this.#order = order;
  }

  async statusOf({ orderStatus, reservation }: Replay, trace: Trace): Promise<OrderStatus> {
    // No other end changes any more. One that expired may be paid by late money.
    const mayHaveEnded = orderStatus === 'pending' || orderStatus === 'expired';
    if (!mayHaveEnded || this.#asked >= ASKED_COUNT_MAX) return orderStatus;
    this.#asked += 1;
    try {
      const told = await this.#order.orderStatus(reservation.id, reservation.userId, trace);
      // PostgreSQL calls an order pending until expiry has come by, and Redis may know the end already.
      return told === undefined || told === 'pending' ? orderStatus : told;
    } finally {
      this.#asked -= 1;
    }
  }
}
