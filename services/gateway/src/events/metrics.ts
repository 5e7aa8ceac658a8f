import { Counter, Gauge, type Registry } from '@seckill/runtime';

export interface EventMetrics {
  listeners: Gauge;
  ended: Counter<'reason'>;
  refused: Counter<'reason'>;
}

export function createEventMetrics(registry: Registry): EventMetrics {
  const registers = [registry];
  return {
    listeners: new Gauge({
      name: 'seckill_gateway_listeners',
      help: 'Listeners to events, against `EVENTS_LISTENERS_COUNT_MAX`',
      registers,
    }),
    ended: new Counter({
      name: 'seckill_gateway_listeners_ended_total',
      help: 'Listeners that ended: `left` by themselves, `slow` (did not read), `closed` (the sale), `drained`',
      labelNames: ['reason'],
      registers,
    }),
    refused: new Counter({
      name: 'seckill_gateway_listeners_refused_total',
      help: 'Listeners refused beyond the bound of the `process` or of the `address`',
      labelNames: ['reason'],
      registers,
    }),
  };
}
