import { Counter, type Registry } from '@seckill/runtime';

/** How readings of sales were answered. */
export interface SaleReadMetrics {
  fromMemory: { inc(): void };
  calls: { inc(): void };
  shared: { inc(): void };
}

export function createSaleReadMetrics(registry: Registry): SaleReadMetrics {
  const reads = new Counter({
    name: 'seckill_gateway_sale_reads_total',
    help: 'Readings of sales but those of operators: from `memory`, by a `call` to order and stock, or by a `shared_call` of another reader',
    labelNames: ['source'],
    registers: [registry],
  });
  return {
    fromMemory: reads.labels('memory'),
    calls: reads.labels('call'),
    shared: reads.labels('shared_call'),
  };
}
