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
      help: 'Listeners to the events of sales',
      registers,
    }),
    ended: new Counter({
      name: 'seckill_gateway_listeners_ended_total',
      help: 'Listeners that left or were ended',
      labelNames: ['reason'],
      registers,
    }),
    refused: new Counter({
      name: 'seckill_gateway_listeners_refused_total',
      help: 'Listeners beyond the bound of the process or of their address',
      labelNames: ['reason'],
      registers,
    }),
  };
}
