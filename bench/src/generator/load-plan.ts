/** What the generator is told: plain data, because it runs in a process of its own. */

/** When requests are to leave, whatever became of those before: the crowd does not wait for our answers. */
export type Arrivals =
  | { shape: 'constant' | 'poisson'; perSecond: number; durationMs: number }
  | { shape: 'ramp'; fromPerSecond: number; toPerSecond: number; durationMs: number }
  /** `count` arrivals, `share` of them within the first `withinMs`, the rest over the whole duration. */
  | { shape: 'spike'; count: number; share: number; withinMs: number; durationMs: number };

/** Saturation: each connection sends its next request when it has the answer to the last. */
export interface ClosedModel {
  kind: 'closed';
  connections: number;
  durationMs: number;
}

export interface OpenModel {
  kind: 'open';
  arrivals: Arrivals;
  connections: number;
  /** Requests under way; an arrival beyond it is dropped and counted. */
  inFlightMax: number;
}

export interface Traffic {
  skus: string[];
  /** A buyer comes from one of them; none: from nowhere. */
  channelIds: string[];
  /** Units per request, 1 up to this. */
  quantityMax: number;
  /** Of 1: shares of requests that read the sale, and that pay an order reserved before; the rest reserve. */
  browseShare: number;
  payShare: number;
  /** Of 1: reservations that come from one and the same user. */
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
  /** At the beginning, not measured: compilers, connections and caches settle. */
  warmUpMs: number;
  seed: number;
  /** Every reservation heard is written here, a line each, for the verdict. */
  historyFile: string;
}

export const durationOf = ({ model }: Pick<Plan, 'model'>): number =>
  model.kind === 'closed' ? model.durationMs : model.arrivals.durationMs;
