import {
  closedModel,
  PLAIN_TRAFFIC,
  limitlessSale,
  warmUpOf,
  CLOSED_OPTIONS,
  type LoadScenario,
} from './load.ts';

/**
 * One reservation may take at most this many of a SKU (`LIMITS.quantityMax`), so one buyer empties the sale.
 */
const TOTAL = 100;

/** Measures how many times a second "sold out" is said, which is what most of a crowd hears. */
export const soldOut: LoadScenario = {
  name: 'sold-out',
  summary: 'saturation: "sold out" answers a second (closed model)',
  takes: CLOSED_OPTIONS,
  plan(options) {
    const model = closedModel(options, 15);
    const sale = limitlessSale(TOTAL);
    return {
      sale,
      opensInMs: 0,
      isSoldOutBefore: true,
      model,
      traffic: PLAIN_TRAFFIC,
      warmUpMs: warmUpOf(model.durationMs),
      limits: { errorRate: 0.001 },
    };
  },
  expect: ({ window: { accepted, outcomes } }) =>
    accepted === 0 ? [] : [`a sale that was sold out accepted again: ${JSON.stringify(outcomes)}`],
};
