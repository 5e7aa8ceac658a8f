import type { LoadResult } from '../generator/generator-process.ts';
import type { OrderLag } from './order-lag.ts';

/** Absent: not asked for. */
export interface ThresholdLimits {
  /** Of all answers. */
  p99Ms?: number;
  /**
   * Of 1: failures among answers, lost and dropped ones included. Outcomes such as sold out are no failures.
   */
  errorRate?: number;
  /** From the 201 to the row. */
  orderLagP99Ms?: number;
}

export interface Threshold {
  name: 'p99_ms' | 'error_rate' | 'oversold' | 'order_lag_p99_ms';
  limit: number;
  value: number;
  met: boolean;
}

/** Expected of a service that does what it should; everything else is a failure. */
const EXPECTED = new Set([
  'reserved',
  'replayed',
  'browsed',
  'paid',
  'sold_out',
  'limit_reached',
  'channel_full',
  'sale_not_open',
  'order_not_ready',
]);

export function failuresOf(outcomes: Record<string, number>): number {
  return Object.entries(outcomes).reduce((sum, [code, count]) => sum + (EXPECTED.has(code) ? 0 : count), 0);
}

export function judgeThresholds(
  limits: ThresholdLimits,
  { window, latency, dropped }: LoadResult,
  oversold: number,
  lag: OrderLag | undefined,
): Threshold[] {
  const thresholds: Threshold[] = [];
  const add = (name: Threshold['name'], limit: number | undefined, value: number) => {
    if (limit !== undefined) thresholds.push({ name, limit, value, met: value <= limit });
  };
  add('p99_ms', limits.p99Ms, latency.all.p99 / 1_000);
  // Without an answer at all everything failed.
  add(
    'error_rate',
    limits.errorRate,
    window.answered === 0 ? 1 : (failuresOf(window.outcomes) + dropped) / (window.answered + dropped),
  );
  add('oversold', 0, oversold);
  // What was never stored is a lag without end; without the engines nothing can be said.
  if (lag !== undefined) add('order_lag_p99_ms', limits.orderLagP99Ms, lag.missing > 0 ? Infinity : lag.p99);
  return thresholds;
}
