import { randomInt } from 'node:crypto';
import { Problem } from '@seckill/runtime';
import type { EventMetrics } from './metrics.ts';

export interface PlacesDeps {
  /** Listeners of this process. */
  max: number;
  /** Listeners of one address: a neighbourhood may share one behind carrier NAT. */
  addressMax: number;
  metrics: Pick<EventMetrics, 'listeners' | 'refused'>;
}

/** A listener who is refused comes back after 2 to 10 s, so not all come back at the same moment. */
const RETRY_SECONDS_MIN = 2;
const RETRY_SECONDS_MAX = 10;
/**
 * Each who comes back costs the gateways a look and a connection beside what they sell: two a ms of one
 * process that died, and so slowly only as its listeners are many.
 */
const SPREAD_MS_OF_ONE = 0.5;
const SPREAD_MS_MIN = 2_000;
/** Who waits longer than this shows counts that are too old. */
const SPREAD_MS_MAX = 10_000;

/** Bounds how many listen at a time: a listener holds a connection and memory for as long as it wants. */
export class Places {
  readonly #deps: PlacesDeps;
  readonly #byAddress = new Map<string, number>();
  #count = 0;

  constructor(deps: PlacesDeps) {
    this.#deps = deps;
  }

  /** Over so many ms those come back who lose their connection at the same moment. */
  get spreadMs(): number {
    return Math.min(SPREAD_MS_MAX, Math.max(SPREAD_MS_MIN, Math.round(this.#count * SPREAD_MS_OF_ONE)));
  }

  /** @returns what gives the place back, once. @throws Problem `rate_limited`, `overloaded` */
  take(address: string): () => void {
    const { max, addressMax, metrics } = this.#deps;
    const ofAddress = this.#byAddress.get(address) ?? 0;
    const retryAfterSeconds = randomInt(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX + 1);
    if (ofAddress >= addressMax) {
      metrics.refused.inc({ reason: 'address' });
      throw new Problem('rate_limited', { retryAfterSeconds });
    }
    if (this.#count >= max) {
      metrics.refused.inc({ reason: 'process' });
      throw new Problem('overloaded', { retryAfterSeconds });
    }
    this.#byAddress.set(address, ofAddress + 1);
    this.#count += 1;
    metrics.listeners.set(this.#count);
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      this.#count -= 1;
      metrics.listeners.set(this.#count);
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, left);
    };
  }
}
