import { formatLane, parseLane, type Lane } from '../redis/keys.ts';

interface Place {
  epoch: number;
  sequence: number;
}

/**
 * The highest reservation of each lane that this process acknowledged. It outlives Redis: one that comes back with less
 * has lost what buyers were told, also when Postgres never heard of it (docs/recovery.md, "Check"). Two numbers a lane;
 * lanes that order no longer lists are forgotten.
 */
export class Acknowledged {
  readonly #places = new Map<string, Place>();

  note(lane: Lane, { epoch, sequence }: Place): void {
    const name = formatLane(lane);
    const known = this.#places.get(name);
    if (known !== undefined && isBelow({ epoch, sequence }, known)) return;
    this.#places.set(name, { epoch, sequence });
  }

  /** Does the lane lack what we acknowledged? */
  isAhead(lane: Lane, place: Place): boolean {
    const known = this.#places.get(formatLane(lane));
    return known !== undefined && isBelow(place, known);
  }

  /** The highest epoch that this process acknowledged anything under; 0: none. */
  epochOf(lane: Lane): number {
    return this.#places.get(formatLane(lane))?.epoch ?? 0;
  }

  /**
   * As it is now. Taken before Redis is asked: what is acknowledged while its answer is on the way is not missing in it
   * (seen: an open, healthy lane was taken for one that went back, and closed for 3 s).
   */
  copy(): Acknowledged {
    const copy = new Acknowledged();
    for (const [name, place] of this.#places) copy.#places.set(name, place);
    return copy;
  }

  /** The places of these lanes as the other knows them; of other lanes as before. */
  take(other: Acknowledged, isMeant: (lane: Lane) => boolean): void {
    for (const [name, place] of other.#places) {
      const lane = parseLane(name);
      if (lane !== undefined && isMeant(lane)) this.#places.set(name, place);
    }
  }

  keepOnly(lanes: Lane[]): void {
    const names = new Set(lanes.map(formatLane));
    for (const name of this.#places.keys()) if (!names.has(name)) this.#places.delete(name);
  }
}

function isBelow(one: Place, other: Place): boolean {
  return one.epoch < other.epoch || (one.epoch === other.epoch && one.sequence < other.sequence);
}
