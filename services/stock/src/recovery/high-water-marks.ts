import { formatLane, parseLane, type Lane } from '../redis/keys.ts';

interface Mark {
  epoch: number;
  sequence: number;
}

/**
 * The highest reservation of each lane that this process acknowledged. The mark outlives Redis: a Redis that
 * comes back with less has lost what buyers were told, also when Postgres never heard of it
 * (docs/recovery.md, "Check"). Two numbers a lane; lanes that order no longer lists are forgotten.
 */
export class HighWaterMarks {
  readonly #marks = new Map<string, Mark>();

  note(lane: Lane, { epoch, sequence }: Mark): void {
    const name = formatLane(lane);
    const known = this.#marks.get(name);
    if (known !== undefined && isBelow({ epoch, sequence }, known)) return;
    this.#marks.set(name, { epoch, sequence });
  }

  /** Does the lane lack what we acknowledged? */
  isAhead(lane: Lane, mark: Mark): boolean {
    const known = this.#marks.get(formatLane(lane));
    return known !== undefined && isBelow(mark, known);
  }

  /** The highest epoch that this process acknowledged anything under; 0: none. */
  epochOf(lane: Lane): number {
    return this.#marks.get(formatLane(lane))?.epoch ?? 0;
  }

  /**
   * As it is now. Taken before Redis is asked: what is acknowledged while its answer is on the way is not
   * missing in it (seen: an open, healthy lane was taken for one that went back, and closed for 3 s).
   * @param lanes those that Redis is asked about
   */
  copy(lanes: Lane[]): HighWaterMarks {
    const copy = new HighWaterMarks();
    for (const name of lanes.map(formatLane)) {
      const mark = this.#marks.get(name);
      if (mark !== undefined) copy.#marks.set(name, mark);
    }
    return copy;
  }

  /** The places of these lanes as the other knows them; of other lanes as before. */
  take(other: HighWaterMarks, isMeant: (lane: Lane) => boolean): void {
    for (const [name, mark] of other.#marks) {
      const lane = parseLane(name);
      if (lane !== undefined && isMeant(lane)) this.#marks.set(name, mark);
    }
  }

  /** Forgets the marks of all lanes but these, which are given by name. */
  keepOnly(lanes: ReadonlyMap<string, Lane>): void {
    for (const name of this.#marks.keys()) if (!lanes.has(name)) this.#marks.delete(name);
  }
}

function isBelow(one: Mark, other: Mark): boolean {
  return one.epoch < other.epoch || (one.epoch === other.epoch && one.sequence < other.sequence);
}
