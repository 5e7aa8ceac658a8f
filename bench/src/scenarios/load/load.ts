import type { SaleDraft } from '../../target/sale.ts';
import type { Arrivals, ClosedModel, OpenModel, Traffic } from '../../generator/load-plan.ts';
import type { ThresholdLimits } from '../../measure/thresholds.ts';
import type { LoadResult } from '../../generator/generator-process.ts';
import type { Target } from '../../target/target.ts';

/** What the command line may change of a scenario. */
export interface ScenarioOptions {
  durationSeconds?: number;
  /** Arrivals a second in the open model. In a ramp these are the last ones. */
  rate?: number;
  arrivals?: SteadyShape;
  connections?: number;
  /** How many times faster than life the window runs. */
  factor?: number;
  buyers?: number;
}

/** `ramp` begins with nobody. The second in which its latencies break tells what the service takes. */
export const STEADY_SHAPES = ['constant', 'poisson', 'ramp'] as const;
export type SteadyShape = (typeof STEADY_SHAPES)[number];

/** The command line's options that make a plan. */
export type PlanOption = 'duration' | 'rate' | 'arrivals' | 'connections' | 'buyers' | 'factor';

export const CLOSED_OPTIONS: readonly PlanOption[] = ['duration', 'connections'];
export const STEADY_OPTIONS: readonly PlanOption[] = ['duration', 'rate', 'arrivals', 'connections'];
export const CROWD_OPTIONS: readonly PlanOption[] = ['duration', 'buyers', 'connections'];
export const WINDOW_OPTIONS: readonly PlanOption[] = ['factor', 'buyers', 'connections'];

/** A scenario made concrete. */
export interface ScenarioPlan {
  sale: SaleDraft;
  /** The load begins when the sale opens. The sale opens this long after it was created. */
  opensInMs: number;
  /** One buyer takes everything before the load begins. */
  isSoldOutBefore: boolean;
  model: ClosedModel | OpenModel;
  traffic: Traffic;
  warmUpMs: number;
  limits: ThresholdLimits;
}

/** What a scenario did beside the load. */
export interface Extra {
  /** Named figures for the summary. */
  figures: Record<string, number>;
  /** What must not be. Each finding makes the verdict "broken". */
  findings: string[];
}

export interface ScenarioContext {
  target: Target;
  saleId: string;
  plan: ScenarioPlan;
  log: (line: string) => void;
}

export interface LoadScenario {
  name: string;
  /** A line for `--help`. */
  summary: string;
  /** The options that `plan` heeds. */
  takes: readonly PlanOption[];
  /** What more than HTTP it needs: the engines, or a stack whose processes it can stop. Absent: nothing. */
  needs?: 'engines' | 'processes';
  plan(options: ScenarioOptions): ScenarioPlan;
  /** What must be true of the answers themselves. */
  expect?(result: LoadResult): string[];
  /** `begin` runs before the load, `end` runs after it. */
  begin?(context: ScenarioContext): Promise<void>;
  end?(context: ScenarioContext, result: LoadResult): Promise<Extra>;
}

/** More than any run on one machine reserves. */
export const PLENTY = 5_000_000;
const HOLD_SECONDS = 3_600;

/**
 * A sale with one item, a limit per buyer and a channel with a cap. This is what a neighbourhood sale asks of
 * each reservation.
 */
export function plainSale(total: number, holdSeconds = HOLD_SECONDS): SaleDraft {
  return {
    title: 'Bench',
    holdSeconds,
    limitPerBuyer: 2,
    items: [{ sku: 'unit', title: 'Unit', price: { amount: 2_990, currency: 'CNY' }, total }],
    channels: [
      {
        id: 'group',
        kind: 'community',
        title: 'Group',
        partnerId: 'p-1',
        pickupPointId: 'store-1',
        cap: total,
      },
    ],
  };
}

/** The same for buyers of whom one may ask for all there is. */
export function limitlessSale(total: number): SaleDraft {
  const { limitPerBuyer: _none, ...sale } = plainSale(total);
  return sale;
}

export const PLAIN_TRAFFIC: Traffic = {
  skus: ['unit'],
  channelIds: ['group'],
  quantityMax: 1,
  browseShare: 0,
  payShare: 0,
  taggedShare: 0,
  hotShare: 0,
  sendsPerKey: 1,
};

/**
 * Saturation of one gateway process needs some dozens of connections. More of them only wait in its queue.
 */
export function closedModel({ durationSeconds, connections }: ScenarioOptions, seconds: number): ClosedModel {
  return {
    kind: 'closed',
    connections: connections ?? 64,
    durationMs: 1_000 * (durationSeconds ?? seconds),
  };
}

/**
 * An open model with as many connections as a browser crowd would hold. On a stalled service, whatever is
 * under way beyond 2,000 requests is lost.
 */
export function openModel(arrivals: Arrivals, { connections }: ScenarioOptions): OpenModel {
  return { kind: 'open', arrivals, connections: connections ?? 256, inFlightMax: 2_000 };
}

/** Arrivals that go on, at the scenario's own rate and shape or at those of the command line. */
export function steadyArrivals(
  usual: { shape: SteadyShape; perSecond: number },
  durationMs: number,
  options: ScenarioOptions,
): Arrivals {
  const shape = options.arrivals ?? usual.shape;
  const perSecond = options.rate ?? usual.perSecond;
  return shape === 'ramp'
    ? { shape, fromPerSecond: 0, toPerSecond: perSecond, durationMs }
    : { shape, perSecond, durationMs };
}

/** The first part of a run is not measured. This part lasts up to 3 s, and a fifth of a short run. */
export function warmUpOf(durationMs: number): number {
  return Math.min(3_000, Math.round(durationMs / 5));
}
