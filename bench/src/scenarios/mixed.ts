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

/** A shop: most look, some buy, some of those pay (in the sandbox). */
export const mixed: LoadScenario = {
  name: 'mixed',
  summary: 'browse, buy and pay: 70, 20 and 10 in 100 (open model; needs PAYMENTS=sandbox)',
  takes: STEADY_OPTIONS,
  plan(options) {
    const durationMs = 1_000 * (options.durationSeconds ?? 20);
    return {
      sale: plainSale(PLENTY),
      opensInMs: 0,
      isSoldOutBefore: false,
      model: openModel(steadyArrivals({ shape: 'poisson', perSecond: 500 }, durationMs, options), options),
      traffic: { ...PLAIN_TRAFFIC, browseShare: 0.7, payShare: 0.1 },
      warmUpMs: warmUpOf(durationMs),
      // An order may be paid before its row has come: 503 order_not_ready, a repeat for the client, not an error.
      limits: { p99Ms: 100, errorRate: 0.001, orderLagP99Ms: 1_000 },
    };
  },
};
