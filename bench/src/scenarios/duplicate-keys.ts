import { openModel, PLAIN_TRAFFIC, plainSale, PLENTY, warmUpOf, type LoadScenario } from './load.ts';

const SENDS_PER_KEY = 4;

/** Impatient thumbs: each key four times, often at once. Three of four answers are the first one again. */
export const duplicateKeys: LoadScenario = {
  name: 'duplicate-keys',
  summary: 'each idempotency key four times (open model)',
  plan(options) {
    const durationMs = 1_000 * (options.durationSeconds ?? 15);
    return {
      sale: plainSale(PLENTY),
      opensInMs: 0,
      isSoldOutBefore: false,
      model: openModel({ shape: 'poisson', perSecond: options.rate ?? 500, durationMs }, options),
      traffic: { ...PLAIN_TRAFFIC, sendsPerKey: SENDS_PER_KEY },
      warmUpMs: warmUpOf(durationMs),
      limits: { p99Ms: 100, errorRate: 0.001 },
    };
  },
  expect: ({ window: { outcomes } }) =>
    (outcomes['replayed'] ?? 0) > 2 * (outcomes['reserved'] ?? 0)
      ? []
      : ['repeats were not answered as repeats'],
};
