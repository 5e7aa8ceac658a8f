import type { LoadResult } from '../generator/generator-process.ts';
import { endedOf } from '../generator/latency-recorder.ts';
import type { OrderLag } from './order-lag.ts';

/** Limits of one run. A limit that is absent is not asked for. */
export interface ThresholdLimits {
  /** The p99 of all answers. */
  p99Ms?: number;
  /**
   * Share, from 0 to 1, of failures among answers, with lost and dropped requests included. Outcomes such as
   * sold out are no failures.
   */
  errorRate?: number;
  /** The p99 of the lag from the 201 to the row. */
  orderLagP99Ms?: number;
}

export interface Threshold {
  name: 'p99_ms' | 'error_rate' | 'oversold' | 'order_lag_p99_ms';
  limit: number;
  value: number;
  met: boolean;
}

/** Outcomes expected of a service that does what it should. Everything else is a failure. */
const EXPECTED = new Set([
  'reserved',
  'replayed',
  'browsed',
  'unchanged',
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

/** Without a row that was seen there is no figure, and none that could be kept. */
const p99OrInfinity = ({ missing, p99 }: OrderLag): number => (missing > 0 || p99 === null ? Infinity : p99);

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
  // When there was no answer at all, everything failed.
  const failed = (failuresOf(window.outcomes) + dropped) / (endedOf(window) + dropped);
  add('error_rate', limits.errorRate, window.answered === 0 ? 1 : failed);
  add('oversold', 0, oversold);
  // An order that was never stored has a lag without end. Without the engines nothing can be said of the lag.
  if (lag !== undefined) add('order_lag_p99_ms', limits.orderLagP99Ms, p99OrInfinity(lag));
  return thresholds;
}
