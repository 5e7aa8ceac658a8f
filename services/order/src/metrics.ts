import { Counter, type Registry } from '@seckill/runtime';

/** What several roles of one process count. A registry takes each name once, so the roles share these. */
export type SharedMetrics = ReturnType<typeof createSharedMetrics>;

export function createSharedMetrics(registry: Registry) {
  const registers = [registry];
  return {
    /** Any increase wants a person: Redis, Kafka or Postgres lost something. */
    distrustedEpochs: new Counter({
      name: 'seckill_order_distrusted_epochs_total',
      help: 'Epochs that are not trusted any more, each once, by reason: refused, late_row, restored; the sale is loaded anew',
      labelNames: ['reason'] as const,
      registers,
    }),
    payments: new Counter({
      name: 'seckill_order_payments_total',
      help: 'Payment notices answered, by result: paid, already_paid, refund_due, recorded, ignored, kept',
      labelNames: ['result'] as const,
      registers,
    }),
    /** Any increase wants a person: `npm run refunds` lists them. */
    refundsDue: new Counter({
      name: 'seckill_order_refunds_due_total',
      help: 'Payments that buy nothing, each once, by reason: wrong_amount, order_ended, second_payment, unknown_order',
      labelNames: ['reason'] as const,
      registers,
    }),
    lateMoney: new Counter({
      name: 'seckill_order_late_money_total',
      help: 'Expired orders whose late money asked for their units again, by result: paid, refunded, given_up',
      labelNames: ['result'] as const,
      registers,
    }),
    ordersEnded: new Counter({
      name: 'seckill_order_orders_ended_total',
      help: 'Orders ended, by verdict: paid, cancelled, expired, refused',
      labelNames: ['verdict'] as const,
      registers,
    }),
  };
}
