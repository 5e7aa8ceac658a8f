import type { NewReservation, Reservation } from '@seckill/contracts';

/**
 * Some 700 bytes each: 14 MB in all. At 1,000 reservations a second that is the last 20 s. Metadata is
 * counted besides, as so many reservations as it is large.
 */
const COUNT_MAX = 20_000;
const CHARACTERS_EACH = 700;
/** Some 400 bytes each: 20 MB in all. At 5,000 reservations a second over all gateways that is 10 s. */
const HEARD_COUNT_MAX = 50_000;
/** So many of one buyer's reservations are kept, the newest. A page of orders never needs more. */
const OF_USER_MAX = 100;

/**
 * The newest reservations, until their rows are seen. A buyer's list of orders shows them from the first
 * moment, also while Kafka is away and rows do not come.
 */
export class RecentReservations<One extends NewReservation = Reservation> {
  readonly #countMax: number;
  /** Reservations by id, oldest first. */
  readonly #reservations = new Map<string, One>();
  /** Counts all of them, each with what its metadata takes. */
  #count = 0;
  readonly #ofUser = new Map<string, Set<string>>();

  constructor(countMax = COUNT_MAX) {
    this.#countMax = countMax;
  }

  add(reservation: One): void {
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

  /** In no order. */
  of(userId: string): One[] {
    const ids = [...(this.#ofUser.get(userId) ?? [])];
    return ids.flatMap((id) => this.#reservations.get(id) ?? []);
  }

  /** Its row is there. */
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

/** Those that any gateway told, as stock says it of all. How an order stands is asked when it is shown. */
export class HeardReservations extends RecentReservations<NewReservation> {
  /** Set by whoever hears: what was told before this call has been added then. */
  catchUp: () => Promise<unknown> = () => Promise.resolve();

  constructor() {
    super(HEARD_COUNT_MAX);
  }
}

function countOf({ metadata }: Partial<Reservation>): number {
  return metadata === undefined ? 1 : 1 + Math.ceil(JSON.stringify(metadata).length / CHARACTERS_EACH);
}
