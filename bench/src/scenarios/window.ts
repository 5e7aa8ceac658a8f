import type { Scenario } from './scenario.ts';
import { openModel, WINDOW_OPTIONS, type LoadScenario } from './load/load.ts';

interface Crowd {
  name: string;
  summary: string;
  /** The sale's window in life is this many times as long as the run, which takes some seconds. */
  factor: number;
  /** Buyers per unit. */
  crowding: number;
  /** The share of the buyers who come within the first tenth of the window. */
  earlyShare: number;
}

const OPENS_IN_MS = 3_000;

/**
 * Runs one of the demo's sales under an open load. The sale's window is compressed by a factor, and there are
 * far more buyers than units.
 */
export function windowScenario({ sale, windowSeconds }: Scenario, crowd: Crowd): LoadScenario {
  const units = sale.items.reduce((sum, { total }) => sum + total, 0);
  return {
    name: crowd.name,
    summary: crowd.summary,
    takes: WINDOW_OPTIONS,
    plan(options) {
      const durationMs = (1_000 * windowSeconds) / (options.factor ?? crowd.factor);
      const count = options.buyers ?? units * crowd.crowding;
      const { id: _id, ...draft } = sale;
      return {
        sale: draft,
        opensInMs: OPENS_IN_MS,
        isSoldOutBefore: false,
        model: openModel(
          { shape: 'spike', count, share: crowd.earlyShare, withinMs: durationMs / 10, durationMs },
          options,
        ),
        traffic: {
          skus: sale.items.map(({ sku }) => sku),
          channelIds: (sale.channels ?? []).map(({ id }) => id),
          quantityMax: 2,
          browseShare: 0,
          payShare: 0,
          taggedShare: 0,
          hotShare: 0,
          sendsPerKey: 1,
        },
        warmUpMs: 0,
        limits: { p99Ms: 1_000, errorRate: 0.01, orderLagP99Ms: 5_000 },
      };
    },
  };
}
