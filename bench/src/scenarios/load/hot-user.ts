import { steadyScenario } from './steady.ts';

/**
 * One user hammers beside a normal crowd. The limit per buyer must hold, and nobody else may wait for that
 * user.
 */
export const hotUser = steadyScenario({
  name: 'hot-user',
  summary: 'every second reservation from one and the same user (open model)',
  shape: 'poisson',
  perSecond: 500,
  seconds: 15,
  traffic: { hotShare: 0.5 },
  limits: { p99Ms: 100, errorRate: 0.001 },
  expect: ({ window: { outcomes } }) =>
    (outcomes['limit_reached'] ?? 0) > 0 ? [] : ['the hot user was never told of the limit'],
});
