import { Counter, Gauge, Histogram, type Registry } from '@seckill/runtime';

export type GateMetrics = ReturnType<typeof createGateMetrics>;

export function createGateMetrics(registry: Registry) {
  const registers = [registry];
  const identified = new Counter({
    name: 'seckill_stock_redis_identified_total',
    help: 'Connections to Redis made anew: `same`, an unharmed Redis was behind them; `other`, it restarted, was promoted or is a new node',
    labelNames: ['found'] as const,
    registers,
  });
  // An increase is seen from the first one on.
  for (const found of ['same', 'other']) identified.inc({ found }, 0);
  return {
    identified,
    closedLanes: new Gauge({
      name: 'seckill_stock_gate_closed_lanes',
      help: 'Lanes that order wants open and that are not',
      registers,
    }),
    opened: new Counter({
      name: 'seckill_stock_gate_openings_total',
      help: 'Lanes opened, `compared` or `loaded`',
      labelNames: ['way'] as const,
      registers,
    }),
    openSeconds: new Histogram({
      name: 'seckill_stock_gate_opening_seconds',
      help: 'From the closing of a lane to its opening',
      buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 120],
      registers,
    }),
    failures: new Counter({
      name: 'seckill_stock_gate_failures_total',
      help: 'Attempts to open a lane that are repeated',
      registers,
    }),
    loadedOrders: new Counter({
      name: 'seckill_stock_gate_loaded_orders_total',
      help: 'Orders of snapshots that were loaded; it grows with each page, so its rate tells how fast a rebuild goes',
      registers,
    }),
    settledHolds: new Counter({
      name: 'seckill_stock_gate_settled_holds_total',
      help: 'Holds that had ended in PostgreSQL, settled before an opening',
      registers,
    }),
    /** Any increase wants a person: Kafka lost what it had confirmed. */
    publishedAgain: new Counter({
      name: 'seckill_stock_gate_published_again_total',
      help: 'Holds that PostgreSQL did not know, published again before an opening: look for what Kafka lost',
      registers,
    }),
  };
}
