/**
 * How long a run waits for what must happen, in ms: on a quiet machine as long as docs/reliability.md says,
 * on a slow one longer, because how many programs share its cores is no fault of the system.
 */
export interface Bounds {
  /** How many times as long as on a quiet machine. */
  slowness: number;
  /** From the end of a round until a buyer at each gateway has a unit, and until its order is paid. */
  progress: number;
  /** From the healing, or from its call, until an operation is definite. */
  definite: number;
  soldOut: number;
  /** Until nothing is in flight. */
  rest: number;
  /** A killed process keeps its attempts for 30 s, and one that failed is made again after 5. */
  webhooks: number;
}

/** A buyer on a quiet machine needs less from its first call until its order is paid, the crowd beside it. */
const CALM_MS = 500;
/** A system that stands still is found in minutes on any machine. */
const SLOWNESS_MAX = 5;

/** @param calmMs what buyers needed before the first fault, from the first call until the order was paid. */
export function boundsOf(calmMs: number[]): Bounds {
  const median = [...calmMs].sort((a, b) => a - b)[Math.floor(calmMs.length / 2)] ?? Infinity;
  const slowness = Math.min(SLOWNESS_MAX, Math.max(1, median / CALM_MS));
  return {
    slowness,
    progress: 60_000 * slowness,
    definite: 60_000 * slowness,
    soldOut: 60_000 * slowness,
    rest: 90_000 * slowness,
    webhooks: 60_000 * slowness,
  };
}

/** While nobody knows yet how slow the machine is. */
export const LONGEST = boundsOf([]);
