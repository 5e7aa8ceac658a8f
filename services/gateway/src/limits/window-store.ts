/** What a key has used of its window, this request included. */
export interface WindowCount {
  current: number;
  /** Milliseconds until the window ends. */
  ttl: number;
}

interface Window {
  count: number;
  endsAt: number;
}

/**
 * Counts in fixed windows, in this process. The store is bounded: beyond `keysMax` it forgets the key whose
 * window began longest ago. @fastify/rate-limit's own store gives all requests of one tick the same counter
 * object, and they read it when the last of them has counted. A burst would be refused whole where its first
 * part should pass.
 */
export class WindowStore {
  readonly #windows = new Map<string, Window>();
  readonly #keysMax: number;
  readonly #now: () => number;

  constructor(keysMax: number, now: () => number = () => performance.now()) {
    this.#keysMax = keysMax;
    this.#now = now;
  }

  count(key: string, windowMs: number): WindowCount {
    const now = this.#now();
    const known = this.#windows.get(key);
    if (known !== undefined && known.endsAt > now) {
      known.count += 1;
      return { current: known.count, ttl: known.endsAt - now };
    }
    // The key is deleted first, so that the order of the map is that of the windows' beginnings.
    this.#windows.delete(key);
    if (this.#windows.size >= this.#keysMax) this.#forgetOldest();
    this.#windows.set(key, { count: 1, endsAt: now + windowMs });
    return { current: 1, ttl: windowMs };
  }

  #forgetOldest(): void {
    for (const key of this.#windows.keys()) {
      this.#windows.delete(key);
      return;
    }
  }
}
