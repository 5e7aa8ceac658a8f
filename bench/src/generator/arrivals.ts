import type { Arrivals } from './load-plan.ts';

/** These instants take 160 MB. More of them is a wrong option, not a load test of one process. */
export const ARRIVALS_MAX = 20_000_000;

/**
 * Plans the instants of all arrivals in ms after the start, ascending. The whole schedule is fixed before the
 * first request leaves.
 */
export function planArrivals(arrivals: Arrivals, random: () => number): Float64Array {
  const expected = expectedCount(arrivals);
  if (expected > ARRIVALS_MAX) throw new RangeError(`${expected} arrivals are more than one generator plans`);
  switch (arrivals.shape) {
    case 'constant':
      return Float64Array.from({ length: expected }, (_, index) => (index * 1_000) / arrivals.perSecond);
    case 'poisson':
      return poisson(arrivals.perSecond, arrivals.durationMs, random);
    case 'ramp':
      return ramp(arrivals.fromPerSecond, arrivals.toPerSecond, arrivals.durationMs, expected);
    case 'spike': {
      const early = Math.round(arrivals.count * arrivals.share);
      return Float64Array.from(
        { length: arrivals.count },
        (_, index) => random() * (index < early ? arrivals.withinMs : arrivals.durationMs),
      ).sort();
    }
  }
}

export function expectedCount(arrivals: Arrivals): number {
  if (arrivals.shape === 'spike') return arrivals.count;
  const perSecond =
    arrivals.shape === 'ramp' ? (arrivals.fromPerSecond + arrivals.toPerSecond) / 2 : arrivals.perSecond;
  return Math.round((perSecond * arrivals.durationMs) / 1_000);
}

/** Plans independent buyers, whose gaps are exponential. */
function poisson(perSecond: number, durationMs: number, random: () => number): Float64Array {
  const instants: number[] = [];
  const gap = () => (-Math.log(1 - random()) * 1_000) / perSecond;
  for (let at = gap(); at < durationMs && instants.length < ARRIVALS_MAX; at += gap()) instants.push(at);
  return Float64Array.from(instants);
}

/** The nth arrival comes when the area under the line reaches n: `from*t + slope*t²/2 = n`, t in seconds. */
function ramp(from: number, to: number, durationMs: number, count: number): Float64Array {
  const slope = (to - from) / (durationMs / 1_000);
  return Float64Array.from({ length: count }, (_, n) => {
    const seconds = slope === 0 ? n / from : (Math.sqrt(from * from + 2 * slope * n) - from) / slope;
    return seconds * 1_000;
  });
}
