import { failuresOf } from '../../measure/thresholds.ts';
import { steadyScenario } from './steady.ts';

const SENDS_PER_KEY = 4;

/**
 * Impatient thumbs: each key is sent four times, often at once. Three of four answers repeat the first one.
 */
export const duplicateKeys = steadyScenario({
  name: 'duplicate-keys',
  summary: 'each idempotency key four times (open model)',
  shape: 'poisson',
  perSecond: 500,
  seconds: 15,
  traffic: { sendsPerKey: SENDS_PER_KEY },
  limits: { p99Ms: 100, errorRate: 0.001 },
  // A repeat that failed, as at the end of a ramp, was at least not reserved anew.
  expect: ({ window: { outcomes } }) =>
    (outcomes['replayed'] ?? 0) + failuresOf(outcomes) > 2 * (outcomes['reserved'] ?? 0)
      ? []
      : ['repeats were not answered as repeats'],
});
