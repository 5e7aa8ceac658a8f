import type { OrderStatus, RefundReason } from '@seckill/contracts';

/** What one notice claims. These four together are its identity. */
export interface Payment {
  paymentId: string;
  orderId: string;
  /** Minor units. */
  amount: number;
  currency: string;
}

export interface Notice extends Payment {
  providerTimestamp: string;
}

/**
 * What has become of a payment. `isNew` tells whether this very call decided it, and not an earlier
 * notice.
 */
export type Application =
  | { result: 'recorded' }
  | { result: 'paid'; isNew: boolean }
  /** The order has expired, and Redis is asked for its units once more (D58). */
  | { result: 'retaking'; isNew: boolean }
  | { result: 'refund_due'; isNew: boolean; reason: RefundReason };

export interface Applied extends Payment {
  application: Application;
}

export const identify = ({ paymentId, orderId, amount, currency }: Payment) =>
  JSON.stringify([paymentId, orderId, amount, currency]);

/** A payment and the order it names. */
export interface Claim extends Payment {
  order: {
    status: OrderStatus;
    amount: number;
    currency: string;
    /** Late money of this order's sale may take the units again. */
    mayRetake: boolean;
    /** The group purchase of the order failed: nothing pays for it any more. */
    hasGroupFailed: boolean;
  };
}

/**
 * Decides about payments in the order in which they came. One payment pays each order, and the rest is due
 * for refund. The amount is judged first, because a wrong amount buys nothing, whatever the order is. A
 * payment for several orders names each with its own amount, so each is decided by itself.
 */
export function applyPayments(claims: Claim[]): Applied[] {
  const paidOrders = new Set<string>();
  return claims.map(({ order, ...payment }) => {
    const { orderId } = payment;
    const status = paidOrders.has(orderId) ? 'paid' : order.status;
    let reason: RefundReason | undefined;
    if (payment.amount !== order.amount || payment.currency !== order.currency) reason = 'wrong_amount';
    else if (status === 'paid') reason = 'second_payment';
    else if (status === 'expired' && order.mayRetake && !order.hasGroupFailed) {
      return { ...payment, application: { result: 'retaking', isNew: true } };
    } else if (status !== 'pending' || order.hasGroupFailed) reason = 'order_ended';
    if (reason !== undefined) {
      return { ...payment, application: { result: 'refund_due', isNew: true, reason } };
    }
    paidOrders.add(orderId);
    return { ...payment, application: { result: 'paid', isNew: true } };
  });
}
