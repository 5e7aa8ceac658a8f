import type { Samples } from './samples.ts';
import { median } from '../statistics.ts';

/** One row of the table in bench/README.md. */
export interface Figure {
  name: string;
  /** The value is null when it could not be measured. */
  value: number | null;
  target: number;
  met: boolean;
  /**
   * Largest minus smallest of the rounds' own values, as a share of the value. The spread of one round is
   * null.
   */
  spread: number | null;
}

interface FigureKind {
  name: string;
  target: number;
  isAtMost: boolean;
  /** Names of the samples whose medians are divided, or of the one whose median is the figure. */
  of: [numerator: string, denominator?: string];
  phases: Phase[];
}

export type Phase = 'saturation' | 'sold-out' | 'latency' | 'intake' | 'holds' | 'scripts' | 'rebuild';

const atLeast = (name: string, target: number, of: FigureKind['of'], ...phases: Phase[]): FigureKind => {
  return { name, target, isAtMost: false, of, phases };
};
const atMost = (name: string, target: number, of: FigureKind['of'], ...phases: Phase[]): FigureKind => {
  return { name, target, isAtMost: true, of, phases };
};

export const FIGURES: readonly FigureKind[] = [
  atLeast('accepted_vs_postgres_row', 5, ['product', 'postgres-row'], 'saturation'),
  atLeast('accepted_vs_unbatched', 1.5, ['product', 'unbatched'], 'saturation'),
  atLeast('accepted_vs_plain', 0.4, ['product', 'plain'], 'saturation'),
  atLeast('sold_out_vs_plain', 0.9, ['sold-out', 'plain beside sold-out'], 'sold-out'),
  atMost('read_vs_sold_out', 1.2, ['read cpu', 'sold-out cpu'], 'sold-out'),
  atMost('p99_vs_plain', 4, ['product p99', 'plain p99'], 'saturation', 'latency'),
  atLeast('script_vs_minimal', 0.25, ['reserve script', 'minimal script'], 'scripts'),
  atLeast('intake_vs_accepted', 1.5, ['stored', 'product'], 'saturation', 'intake'),
  atLeast('rebuild_orders_per_second', 30_000, ['rebuilt'], 'rebuild'),
  atLeast('million_holds', 0.9, ['with many holds', 'with few holds'], 'holds'),
  atMost('bytes_per_hold', 300, ['bytes'], 'holds'),
  atMost('order_lag_p99_ms', 1_000, ['order lag'], 'saturation', 'latency'),
];

/**
 * The figures are ratios of medians, not medians of ratios. A slow round of one side must not pick its
 * partner.
 */
export function figuresOf(samples: Samples, names: readonly string[]): Figure[] {
  return FIGURES.filter(({ name }) => names.includes(name)).map(({ name, target, isAtMost, of }) => {
    const [upper, lower] = [samples.get(of[0]), of[1] === undefined ? undefined : samples.get(of[1])];
    const value = median(upper) / (lower === undefined ? 1 : median(lower));
    if (!Number.isFinite(value)) return { name, value: null, target, met: false, spread: null };
    const met = isAtMost ? value <= target : value >= target;
    return { name, value, target, met, spread: spreadOf(roundsOf(upper, lower), value) };
  });
}

/** Computes the figure of each round by itself. */
export function roundsOf(upper: readonly number[], lower: readonly number[] | undefined): number[] {
  if (lower === undefined) return [...upper];
  return upper.slice(0, lower.length).map((value, index) => value / (lower[index] ?? NaN));
}

function spreadOf(rounds: number[], value: number): number | null {
  return rounds.length < 2 ? null : (Math.max(...rounds) - Math.min(...rounds)) / value;
}
