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
import { failuresOf } from '../thresholds.ts';

const SENDS_PER_KEY = 4;

/** Impatient thumbs: each key four times, often at once. Three of four answers are the first one again. */
export const duplicateKeys: LoadScenario = {
  name: 'duplicate-keys',
  summary: 'each idempotency key four times (open model)',
  takes: STEADY_OPTIONS,
  plan(options) {
    const durationMs = 1_000 * (options.durationSeconds ?? 15);
    return {
      sale: plainSale(PLENTY),
      opensInMs: 0,
      isSoldOutBefore: false,
      model: openModel(steadyArrivals({ shape: 'poisson', perSecond: 500 }, durationMs, options), options),
      traffic: { ...PLAIN_TRAFFIC, sendsPerKey: SENDS_PER_KEY },
      warmUpMs: warmUpOf(durationMs),
      limits: { p99Ms: 100, errorRate: 0.001 },
    };
  },
  // Of a service beyond its limits, as at the end of a ramp, some of the four sends are not answered.
  expect: ({ window: { outcomes } }) =>
    failuresOf(outcomes) > 0 || (outcomes['replayed'] ?? 0) > 2 * (outcomes['reserved'] ?? 0)
      ? []
      : ['repeats were not answered as repeats'],
};
