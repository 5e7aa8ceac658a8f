import { openModel, PLAIN_TRAFFIC, plainSale, CROWD_OPTIONS, type LoadScenario } from './load.ts';

const BUYERS = 3_000;
const UNITS_SHARE = 0.4;
const OPENS_IN_MS = 3_000;

/** Everyone comes at the opening second, and there are more buyers than units. */
export const burst: LoadScenario = {
  name: 'burst',
  summary: 'everyone within the opening second, 2.5 buyers per unit (open model)',
  takes: CROWD_OPTIONS,
  plan(options) {
    const count = options.buyers ?? BUYERS;
    const durationMs = 1_000 * (options.durationSeconds ?? 5);
    return {
      sale: plainSale(Math.ceil(count * UNITS_SHARE)),
      opensInMs: OPENS_IN_MS,
      isSoldOutBefore: false,
      model: openModel({ shape: 'spike', count, share: 1, withinMs: 1_000, durationMs }, options),
      traffic: PLAIN_TRAFFIC,
      warmUpMs: 0,
      limits: { p99Ms: 2_000, errorRate: 0.01 },
    };
  },
};
