import { closedModel, PLAIN_TRAFFIC, plainSale, PLENTY, CLOSED_OPTIONS, type LoadScenario } from './load.ts';
import { drainBacklog, pauseOrder } from '../../measure/backlog.ts';

/**
 * Measures how fast orders are stored when a backlog waits in Kafka and nothing else asks for the machine.
 */
export const intake: LoadScenario = {
  name: 'intake',
  summary: 'orders stored a second when draining a backlog (own or running stack: order is paused meanwhile)',
  takes: CLOSED_OPTIONS,
  needs: 'processes',
  plan(options) {
    return {
      sale: plainSale(PLENTY),
      opensInMs: 0,
      isSoldOutBefore: false,
      model: closedModel(options, 8),
      traffic: PLAIN_TRAFFIC,
      warmUpMs: 0,
      limits: { errorRate: 0.001 },
    };
  },
  async begin({ target }) {
    pauseOrder(target);
  },
  async end({ target, saleId }, { window }) {
    const { orders, seconds } = await drainBacklog(target, saleId);
    const perSecond = orders / seconds;
    return {
      figures: {
        backlog_orders: orders,
        stored_per_second: Math.round(perSecond),
      },
      findings: orders > 0 && window.accepted > 0 ? [] : ['there was no backlog to drain'],
    };
  },
};
