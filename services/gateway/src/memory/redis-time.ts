/**
 * What Redis' clock surely shows now: not before `earliest`, not after `latest`. Milliseconds since the
 * epoch.
 */
export interface TimeBounds {
  earliest: number;
  latest: number;
}

/**
 * A reading is made every second. After this time the two clocks may have run apart, or Redis' clock may have
 * been set.
 */
const READING_MS = 3_000;

/**
 * Redis' clock, as far as a reading of it and our own monotonic clock tell. Redis looked at its clock at some
 * instant between our sending and our hearing. So now is at least what Redis said plus the time since we
 * heard, and at most what Redis said plus the time since we sent.
 */
export class RedisTime {
  #reading: { said: number; sentAt: number; heardAt: number } | undefined;

  /** `said` is Redis' TIME in milliseconds. The others are instants of our monotonic clock. */
  read(said: number, sentAt: number, heardAt: number): void {
    this.#reading = { said, sentAt, heardAt };
  }

  forget(): void {
    this.#reading = undefined;
  }

  /** Undefined while nothing is known. */
  bounds(now: number): TimeBounds | undefined {
    const reading = this.#reading;
    if (reading === undefined || now - reading.sentAt > READING_MS) return undefined;
    const { said, sentAt, heardAt } = reading;
    return { earliest: said + now - heardAt, latest: said + now - sentAt };
  }
}
