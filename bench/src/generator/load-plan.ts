/**
 * The load plan is what the generator is told. The plan is plain data, because the generator runs in a
 * process of its own.
 */

/**
 * When requests are to leave, whatever became of the requests before. The crowd does not wait for our
 * answers.
 */
export type Arrivals =
  | { shape: 'constant' | 'poisson'; perSecond: number; durationMs: number }
  | { shape: 'ramp'; fromPerSecond: number; toPerSecond: number; durationMs: number }
  /** `count` arrivals. `share` of them come within the first `withinMs`, the rest over the whole duration. */
  | { shape: 'spike'; count: number; share: number; withinMs: number; durationMs: number };

/** A load of saturation: each connection sends its next request when the last one was answered. */
export interface ClosedModel {
  kind: 'closed';
  connections: number;
  durationMs: number;
}

export interface OpenModel {
  kind: 'open';
  arrivals: Arrivals;
  connections: number;
  /** The most requests under way. An arrival beyond it is dropped and counted. */
  inFlightMax: number;
}

export interface Traffic {
  skus: string[];
  /** A buyer comes from one of these channels. With an empty list the buyer comes from none. */
  channelIds: string[];
  /** Each request asks for 1 up to this many units. */
  quantityMax: number;
  /**
   * Shares, from 0 to 1, of the requests that read the sale and of those that pay an order reserved before.
   * The rest reserve.
   */
  browseShare: number;
  payShare: number;
  /** The share, from 0 to 1, of the readings that name the tag of the last answer, as pages that poll do. */
  taggedShare: number;
  /** The share, from 0 to 1, of the reservations that come from one and the same user. */
  hotShare: number;
  /** How often each idempotency key is sent. */
  sendsPerKey: number;
}

export interface Plan {
  url: string;
  saleId: string;
  jwtSecret: string;
  model: ClosedModel | OpenModel;
  traffic: Traffic;
  /** Time at the beginning that is not measured, while compilers, connections and caches settle. */
  warmUpMs: number;
  seed: number;
  /** Every reservation that was heard is written to this file for the verdict, one a line. */
  historyFile: string;
}

export const durationOf = ({ model }: Pick<Plan, 'model'>): number =>
  model.kind === 'closed' ? model.durationMs : model.arrivals.durationMs;
