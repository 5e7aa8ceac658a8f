import {
  openModel,
  PLAIN_TRAFFIC,
  plainSale,
  PLENTY,
  STEADY_OPTIONS,
  steadyArrivals,
  warmUpOf,
  type LoadScenario,
  type SteadyShape,
} from './load.ts';
import type { Traffic } from '../../generator/load-plan.ts';
import type { ThresholdLimits } from '../../measure/thresholds.ts';

interface Steady extends Omit<LoadScenario, 'takes' | 'plan'> {
  shape: SteadyShape;
  /** Arrivals. */
  perSecond: number;
  seconds: number;
  /** How the traffic differs from plain reservations. */
  traffic: Partial<Traffic>;
  limits: ThresholdLimits;
}

/** A load that goes on under an open model, in a sale that never sells out. */
export function steadyScenario({
  shape,
  perSecond,
  seconds,
  traffic,
  limits,
  ...scenario
}: Steady): LoadScenario {
  return {
    ...scenario,
    takes: STEADY_OPTIONS,
    plan(options) {
      const durationMs = 1_000 * (options.durationSeconds ?? seconds);
      return {
        sale: plainSale(PLENTY),
        opensInMs: 0,
        isSoldOutBefore: false,
        model: openModel(steadyArrivals({ shape, perSecond }, durationMs, options), options),
        traffic: { ...PLAIN_TRAFFIC, ...traffic },
        warmUpMs: warmUpOf(durationMs),
        limits,
      };
    },
  };
}
