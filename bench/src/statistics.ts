import { seededRandom } from './random.ts';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** Distance between the smallest and the largest, as a share of the median. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / Math.abs(median(values));
}

/** Up to this many values, all ways to deal the values out are counted. C(20, 10) is 184,756. */
const EXACT_COUNT_MAX = 20;

/**
 * The two-sided p of Mann-Whitney's U. This p tells how often a difference in rank as large as this comes by
 * chance alone, if both samples are drawn from the same distribution. For up to 20 values in all it is exact,
 * by counting, with ties included. Beyond that it is the normal approximation with correction for ties and
 * continuity (Mann and Whitney 1947; Lehmann, "Nonparametrics", section 1).
 */
export function mannWhitney(left: readonly number[], right: readonly number[]): number {
  const ranks = midRanks([...left, ...right]);
  const observed = sum(ranks.slice(0, left.length));
  const expected = (left.length * (left.length + right.length + 1)) / 2;
  const distance = Math.abs(observed - expected);
  if (ranks.length <= EXACT_COUNT_MAX) return exactShare(ranks, left.length, expected, distance);
  const [n, m] = [left.length, right.length];
  const ties = [...countBy(ranks).values()].reduce((total, count) => total + (count ** 3 - count), 0);
  const variance = ((n * m) / 12) * (n + m + 1 - ties / ((n + m) * (n + m - 1)));
  if (variance === 0) return 1;
  return Math.min(1, 2 * upperTail(Math.max(0, distance - 0.5) / Math.sqrt(variance)));
}

/** The share of all choices of `size` ranks whose sum is at least as far from the expected sum. */
function exactShare(ranks: number[], size: number, expected: number, distance: number): number {
  let [far, all] = [0, 0];
  const choose = (index: number, left: number, total: number): void => {
    if (left === 0) {
      all += 1;
      if (Math.abs(total - expected) >= distance - 1e-9) far += 1;
      return;
    }
    for (let next = index; next <= ranks.length - left; next += 1) {
      choose(next + 1, left - 1, total + (ranks[next] ?? 0));
    }
  };
  choose(0, size, 0);
  return far / all;
}

/** Equal values share the mean of their ranks. */
function midRanks(values: readonly number[]): number[] {
  const sorted = [...values].sort((left, right) => left - right);
  const rank = new Map<number, number>();
  for (const value of new Set(sorted)) {
    rank.set(value, (sorted.indexOf(value) + sorted.lastIndexOf(value)) / 2 + 1);
  }
  return values.map((value) => rank.get(value) ?? 0);
}

function countBy(values: number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/**
 * The upper tail of the standard normal distribution. The error is below 1.5e-7 (Abramowitz and Stegun
 * 7.1.26).
 */
function upperTail(z: number): number {
  const x = z / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const poly =
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return (poly * Math.exp(-x * x)) / 2;
}

const RESAMPLES = 2_000;

/**
 * The 95 % interval of the ratio of medians, right to left, by bootstrap. The seed is the same every time, so
 * the interval repeats.
 * @returns null when a median of the left can be 0, because the ratio has no bounds then.
 */
export function ratioInterval(left: readonly number[], right: readonly number[]): [number, number] | null {
  const random = seededRandom(1);
  const draw = (values: readonly number[]) =>
    median(values.map(() => values[Math.floor(random() * values.length)] ?? NaN));
  const ratios = Array.from({ length: RESAMPLES }, () => draw(right) / draw(left)).sort((a, b) => a - b);
  if (!ratios.every(Number.isFinite)) return null;
  return [ratios[Math.floor(RESAMPLES * 0.025)] ?? NaN, ratios[Math.floor(RESAMPLES * 0.975)] ?? NaN];
}
