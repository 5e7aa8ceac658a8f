import { steadyScenario } from './steady.ts';

/** A shop in which most look, some buy, and some of those pay (in the sandbox). */
export const mixed = steadyScenario({
  name: 'mixed',
  summary: 'browse, buy and pay: 70, 20 and 10 in 100 (open model; needs PAYMENTS=sandbox)',
  shape: 'poisson',
  perSecond: 500,
  seconds: 20,
  traffic: { browseShare: 0.7, payShare: 0.1 },
  // An order may be paid before its row has come. The answer is then 503 order_not_ready. This answer asks
  // the client to repeat, so it is not an error.
  limits: { p99Ms: 100, errorRate: 0.001, orderLagP99Ms: 1_000 },
});
