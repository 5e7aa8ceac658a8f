import type { OrderStatus, PaymentResult, Reservation } from '@seckill/contracts';

/** A promise the crowd heard: the first 201 of a key. */
export interface Promised {
  reservation: Reservation;
  idempotencyKey: string;
  units: number;
}

/**
 * What the crowd heard, answer by answer. The audit holds the engines against these facts. The class counts
 * nothing on behalf of the service.
 */
export class History {
  /** The promises by reservation id. */
  readonly promised = new Map<string, Promised>();
  /** How many rejections each sale gave, by outcome code. */
  readonly rejected = new Map<string, Map<string, number>>();
  /** Keys whose repeat brought other bytes or another reservation, which INV-4 forbids. */
  readonly contradictions: string[] = [];
  /** Keys that never got a definite answer. */
  readonly unresolved: { saleId: string; idempotencyKey: string }[] = [];
  /** Orders whose buyer or provider was told that they are paid, or that the money is there. */
  readonly toldPaid = new Set<string>();
  readonly toldRecorded = new Set<string>();
  readonly toldRefund = new Set<string>();
  readonly toldCancelled = new Set<string>();
  /** Counts the changes of an order that never got a definite answer. */
  unsettled = 0;
  answers = 0;
  replays = 0;
  readonly #bodies = new Map<string, string>();

  /** Records one 201 with its bytes as they came. */
  accept(saleId: string, userId: string, idempotencyKey: string, body: string): Reservation {
    this.answers += 1;
    const reservation = JSON.parse(body) as Reservation;
    const key = JSON.stringify([saleId, userId, idempotencyKey]);
    const first = this.#bodies.get(key);
    if (first !== undefined) {
      this.replays += 1;
      if (first !== body) this.contradictions.push(`${key}: two different answers`);
      return reservation;
    }
    this.#bodies.set(key, body);
    if (this.promised.has(reservation.id)) {
      this.contradictions.push(`${reservation.id}: answered to two keys`);
    }
    const units = reservation.lines.reduce((sum, { quantity }) => sum + quantity, 0);
    this.promised.set(reservation.id, { reservation, idempotencyKey, units });
    return reservation;
  }

  reject(saleId: string, code: string): void {
    this.answers += 1;
    const codes = this.rejected.get(saleId) ?? new Map<string, number>();
    codes.set(code, (codes.get(code) ?? 0) + 1);
    this.rejected.set(saleId, codes);
  }

  /**
   * Records the answer to a cancel: what the order is now, or `undefined` when nothing definite was heard.
   */
  cancelled(orderId: string, status: OrderStatus | undefined): void {
    if (status === 'cancelled') this.toldCancelled.add(orderId);
    if (status === undefined) this.unsettled += 1;
  }

  paid(orderId: string, status: OrderStatus | undefined): void {
    if (status === 'paid') this.toldPaid.add(orderId);
    if (status === undefined) this.unsettled += 1;
  }

  noticed(orderId: string, result: PaymentResult | undefined): void {
    if (result === 'paid' || result === 'already_paid') this.toldPaid.add(orderId);
    if (result === 'recorded') this.toldRecorded.add(orderId);
    if (result === 'refund_due') this.toldRefund.add(orderId);
    // The crowd's provider writes what is documented, so a notice that the service did not understand settled
    // nothing.
    if (result === undefined || result === 'ignored' || result === 'kept') this.unsettled += 1;
  }

  acceptedUnits(saleId: string): number {
    let units = 0;
    for (const promised of this.promised.values()) {
      if (promised.reservation.saleId === saleId) units += promised.units;
    }
    return units;
  }
}
