import {
  parseReservationId,
  type PickupRequest,
  type SealedOrder,
  type SealedPickup,
  type SealedPickupPage,
} from '@seckill/contracts';
import { Problem, type Logger, type Pool } from '@seckill/runtime';
import { readOperatorOrder } from '../orders/operator-orders.ts';
import type { Steering } from '../sales/steering.ts';
import { handOut } from './hand-out.ts';
import { moveOrder, type Move } from './move.ts';
import { listPickups, type PickupQuery } from './pickup-list.ts';

/** Who hands out which order, and whether it was handed out; for operators. */
export class Pickups {
  readonly #pool: Pool;
  readonly #logger: Logger;

  constructor(pool: Pool, logger: Logger) {
    this.#pool = pool;
    this.#logger = logger;
  }

  /** @throws Problem as `listPickups` */
  async list(saleId: string, query: PickupQuery): Promise<SealedPickupPage> {
    return listPickups(this.#pool, saleId, query);
  }

  /** @throws Problem as `handOut` */
  async handOut(request: PickupRequest, steering: Pick<Steering, 'by' | 'deadline'>): Promise<SealedPickup> {
    const pickup = await handOut(this.#pool, request, steering);
    this.#logger.info({ orderId: pickup.orderId, by: steering.by }, 'pick-ups: an order was handed out');
    return pickup;
  }

  /** @throws Problem as `moveOrder` */
  async move(move: Move): Promise<SealedOrder> {
    // What is not one of our ids is stored nowhere. Postgres would even refuse some of it (NUL).
    if (parseReservationId(move.orderId) === undefined) throw new Problem('order_not_found');
    await moveOrder(this.#pool, move);
    return readOperatorOrder(this.#pool, move.saleId, move.orderId);
  }
}
