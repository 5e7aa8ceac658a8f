import {
  openModel,
  PLAIN_TRAFFIC,
  plainSale,
  PLENTY,
  STEADY_OPTIONS,
  steadyArrivals,
  warmUpOf,
  type LoadScenario,
} from './load.ts';

/** One user hammers beside a normal crowd; the limit per buyer must hold, and nobody else may wait for it. */
export const hotUser: LoadScenario = {
  name: 'hot-user',
  summary: 'every second reservation from one and the same user (open model)',
  takes: STEADY_OPTIONS,
  plan(options) {
    const durationMs = 1_000 * (options.durationSeconds ?? 15);
    return {
      sale: plainSale(PLENTY),
      opensInMs: 0,
      isSoldOutBefore: false,
      model: openModel(steadyArrivals({ shape: 'poisson', perSecond: 500 }, durationMs, options), options),
      traffic: { ...PLAIN_TRAFFIC, hotShare: 0.5 },
      warmUpMs: warmUpOf(durationMs),
      limits: { p99Ms: 100, errorRate: 0.001 },
    };
  },
  expect: ({ window: { outcomes } }) =>
    (outcomes['limit_reached'] ?? 0) > 0 ? [] : ['the hot user was never told of the limit'],
};
