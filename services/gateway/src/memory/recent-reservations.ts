import type { Reservation } from '@seckill/contracts';

/**
 * Some 700 bytes each: 14 MB in all. At 1,000 reservations a second that is the last 20 s. Metadata is
 * counted besides, as so many reservations as it is large.
 */
const COUNT_MAX = 20_000;
const CHARACTERS_EACH = 700;
/** So many of one buyer's reservations are kept, the newest. A page of orders never needs more. */
const OF_USER_MAX = 100;

/**
 * The reservations that this gateway told its buyers, until their rows are seen. A buyer's list of orders
 * shows them from the first moment, also while Kafka is away and rows do not come. What another gateway told
 * is not here: that gateway shows it, and every gateway does once the row is stored.
 */
export class RecentReservations {
  readonly #countMax: number;
  /** Reservations by id, oldest first. */
  readonly #reservations = new Map<string, Reservation>();
  /** Counts all of them, each with what its metadata takes. */
  #count = 0;
  readonly #ofUser = new Map<string, Set<string>>();

  constructor(countMax = COUNT_MAX) {
    this.#countMax = countMax;
  }

  add(reservation: Reservation): void {
    const { id, userId } = reservation;
    if (this.#reservations.has(id)) return;
    const ids = this.#ofUser.get(userId) ?? new Set();
    this.#ofUser.set(userId, ids.add(id));
    this.#reservations.set(id, reservation);
    this.#count += countOf(reservation);
    const [oldestOfUser] = ids;
    if (ids.size > OF_USER_MAX && oldestOfUser !== undefined) this.forget(oldestOfUser);
    for (const oldest of this.#reservations.keys()) {
      if (this.#count <= this.#countMax) break;
      this.forget(oldest);
    }
  }

  /** The user's reservations, in no order. */
  of(userId: string): Reservation[] {
    const ids = [...(this.#ofUser.get(userId) ?? [])];
    return ids.flatMap((id) => this.#reservations.get(id) ?? []);
  }

  /** Lets a reservation go: its order is a row by now, or there is no more room. */
  forget(id: string): void {
    const reservation = this.#reservations.get(id);
    if (reservation === undefined) return;
    const { userId } = reservation;
    this.#reservations.delete(id);
    this.#count -= countOf(reservation);
    const ids = this.#ofUser.get(userId);
    ids?.delete(id);
    if (ids?.size === 0) this.#ofUser.delete(userId);
  }
}

function countOf({ metadata }: Reservation): number {
  return metadata === undefined ? 1 : 1 + Math.ceil(JSON.stringify(metadata).length / CHARACTERS_EACH);
}
