import { Counter, type Registry } from '@seckill/runtime';

/** How readings of sales were answered. */
export interface SaleReadMetrics {
  fromMemory: { inc(): void };
  calls: { inc(): void };
  shared: { inc(): void };
}

export function createSaleReadMetrics(registry: Registry): SaleReadMetrics {
  // Added up here until metrics are read: prom-client would look its labels up for each reading.
  let fromMemory = 0;
  const reads = new Counter({
    name: 'seckill_gateway_sale_reads_total',
    help: 'Readings of sales but those of operators: from `memory`, by a `call` to order and stock, or by a `shared_call` of another reader',
    labelNames: ['source'],
    registers: [registry],
    collect() {
      if (fromMemory > 0) this.inc({ source: 'memory' }, fromMemory);
      fromMemory = 0;
    },
  });
  return {
    fromMemory: {
      inc() {
        fromMemory += 1;
      },
    },
    calls: reads.labels('call'),
    shared: reads.labels('shared_call'),
  };
}
