import {
  closedModel,
  PLAIN_TRAFFIC,
  plainSale,
  PLENTY,
  warmUpOf,
  CLOSED_OPTIONS,
  type LoadScenario,
} from './load.ts';

/** How many reservations a second are accepted when the crowd never stops asking. */
export const reserve: LoadScenario = {
  name: 'reserve',
  summary: 'saturation: accepted reservations a second (closed model)',
  takes: CLOSED_OPTIONS,
  plan(options) {
    const model = closedModel(options, 15);
    return {
      sale: plainSale(PLENTY),
      opensInMs: 0,
      isSoldOutBefore: false,
      model,
      traffic: PLAIN_TRAFFIC,
      warmUpMs: warmUpOf(model.durationMs),
      limits: { errorRate: 0.001 },
    };
  },
};
