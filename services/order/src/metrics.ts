import { Counter, createRequestSeconds, Gauge, type Pool, type Registry } from '@seckill/runtime';

/** What several roles of one process count. A registry takes each name once, so the roles share these. */
export type SharedMetrics = ReturnType<typeof createSharedMetrics>;

export function createSharedMetrics(registry: Registry) {
  const registers = [registry];
  const pools = new Map<string, Pool>();
  new Gauge({
    name: 'seckill_order_postgres_connections',
    help: 'Connections to PostgreSQL of each `pool`: `busy`, `idle`, and requests that are `waiting` for one',
    labelNames: ['pool', 'state'] as const,
    registers,
    collect() {
      for (const [pool, { totalCount, idleCount, waitingCount }] of pools) {
        this.set({ pool, state: 'busy' }, totalCount - idleCount);
        this.set({ pool, state: 'idle' }, idleCount);
        this.set({ pool, state: 'waiting' }, waitingCount);
      }
    },
  });
  return {
    requestSeconds: createRequestSeconds(registry, 'order'),
    /** Each role has a pool, which is named after it. */
    observePool: (role: string, pool: Pool) => {
      pools.set(role, pool);
    },
    /** Any increase wants a person: Redis, Kafka or Postgres lost something. */
    distrustedEpochs: new Counter({
      name: 'seckill_order_distrusted_epochs_total',
      help: 'Epochs not trusted any more, each once; the sale is loaded anew by itself. Any increase wants a person: `refused`, `late_row` (Redis or Kafka lost something), `restored` (PostgreSQL is older than what it had decided: payments and cancels since its backup are lost)',
      labelNames: ['reason'] as const,
      registers,
    }),
    payments: new Counter({
      name: 'seckill_order_payments_total',
      help: 'Payment notices answered: `paid`, `already_paid`, `refund_due`, `recorded`, `ignored` (another type), `kept` (not understood)',
      labelNames: ['result'] as const,
      registers,
    }),
    /** Any increase wants a person: `npm run refunds` lists them. */
    refundsDue: new Counter({
      name: 'seckill_order_refunds_due_total',
      help: 'Payments that buy nothing, each once; any increase wants a person',
      labelNames: ['reason'] as const,
      registers,
    }),
    refundsDone: new Counter({
      name: 'seckill_order_refunds_done_total',
      help: 'Refunds that a person marked as done over the API, each once, by the reason for which they were due',
      labelNames: ['reason'] as const,
      registers,
    }),
    lateMoney: new Counter({
      name: 'seckill_order_late_money_total',
      help: 'Expired orders whose late money asked for their units again, in sales with `lateMoney: "retake"`: `paid`; `refunded`, the units could not be had; `given_up`, not decided in 5 minutes, because an engine or stock was away',
      labelNames: ['result'] as const,
      registers,
    }),
    ordersEnded: new Counter({
      name: 'seckill_order_orders_ended_total',
      help: 'Orders that ended: `paid`, `cancelled`, `expired`, `refused`',
      labelNames: ['verdict'] as const,
      registers,
    }),
  };
}
