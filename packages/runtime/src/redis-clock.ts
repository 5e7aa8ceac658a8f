/**
 * After this time the two clocks may have run apart, or Redis' clock may have been set. Clocks of machines
 * differ by 0.1 ms a second at most.
 */
const READING_MS = 10_000;

interface Reading {
  said: number;
  heardAt: number;
}

/**
 * What Redis' clock shows at least, as far as readings of it and our own monotonic clock tell. Redis looked
 * at its clock before we heard of it. So its clock shows at least what it said plus the time since we heard.
 * A process that was frozen hears late, and its bound is too low, never too high. A deadline from this bound
 * is therefore never later than was meant.
 */
export class RedisClock {
  /** The reading that says most. The others were longer on their way. */
  #best: Reading | undefined;
  /**
   * The newest reading. The newest says less than the best one, and is there when the best one has become too
   * old.
   */
  #last: Reading | undefined;

  /** `said` is Redis' clock, milliseconds since the epoch. `heardAt` is an instant of our monotonic clock. */
  read(said: number, heardAt: number): void {
    const best = this.#best;
    this.#last = { said, heardAt };
    const isOld = best === undefined || heardAt - best.heardAt > READING_MS;
    if (isOld || said - heardAt >= best.said - best.heardAt) this.#best = this.#last;
  }

  forget(): void {
    this.#best = undefined;
    this.#last = undefined;
  }

  /** At an instant of our monotonic clock, rounded down. Undefined while nothing is known. */
  earliest(at: number): number | undefined {
    const reading = [this.#best, this.#last].find(
      (one) => one !== undefined && at - one.heardAt <= READING_MS,
    );
    return reading === undefined ? undefined : Math.floor(reading.said + at - reading.heardAt);
  }
}
