import { saltedKeyHash } from '@seckill/runtime';

/**
 * How many sequences are kept beyond the first gap. Past this number the gap will not close by itself, and
 * stock is asked.
 */
const AHEAD_MAX = 10_000;

/**
 * Knows which keys have reserved in a lane under one epoch, as hashes. Another key may share a hash and is
 * then asked about in vain, but no key is ever missed. The set is complete up to the first sequence that
 * nobody told us of.
 */
export class RememberedReservations {
  readonly #salt: string;
  readonly #keys = new Set<number>();
  readonly #countMax: number;
  readonly #ahead = new Set<number>();
  /** Every reservation of sequences 1 to here is known; undefined until stock has told the whole. */
  #completeTo: number | undefined;

  constructor(salt: string, countMax: number) {
    this.#salt = salt;
    this.#countMax = countMax;
  }

  get size(): number {
    return this.#keys.size;
  }

  /** Do they name every reservation of sequences 1 to `sequence` (and of earlier epochs)? */
  isComplete(sequence: number): boolean {
    return this.#completeTo !== undefined && this.#completeTo >= sequence;
  }

  /** May this key have reserved? */
  hasKey(userId: string, idempotencyKey: string): boolean {
    return this.#keys.has(saltedKeyHash(this.#salt, userId, idempotencyKey));
  }

  /** Adds a reservation whose sequence we do not know (yet). */
  add(userId: string, idempotencyKey: string): void {
    this.#addHash(saltedKeyHash(this.#salt, userId, idempotencyKey));
  }

  /** The list holds sequence and hash in turn, in any order, and may name one more than once. */
  learn(reservations: number[]): void {
    for (let index = 0; index + 1 < reservations.length; index += 2) {
      const sequence = reservations[index] ?? 0;
      this.#addHash(reservations[index + 1] ?? 0);
      if (this.#completeTo === undefined || sequence > this.#completeTo) this.#ahead.add(sequence);
    }
    this.#closeGap();
    if (this.#ahead.size > AHEAD_MAX) {
      this.#ahead.clear();
      this.#completeTo = undefined;
    }
  }

  /** `base64` as in FullState: every reservation up to this sequence and of earlier epochs. */
  fill(sequence: number, base64: string): void {
    const bytes = Buffer.from(base64, 'base64');
    for (let offset = 0; offset + 4 <= bytes.length; offset += 4) {
      this.#addHash(bytes.readUInt32LE(offset));
    }
    if (this.#keys.size > this.#countMax) return;
    this.#completeTo = Math.max(sequence, this.#completeTo ?? 0);
    for (const known of this.#ahead) if (known <= this.#completeTo) this.#ahead.delete(known);
    this.#closeGap();
  }

  #closeGap(): void {
    while (this.#completeTo !== undefined && this.#ahead.delete(this.#completeTo + 1)) this.#completeTo += 1;
  }

  #addHash(key: number): void {
    // Without this key one sequence would be missing from here on, so nothing could be said any more.
    if (this.#keys.size > this.#countMax) this.#completeTo = undefined;
    else this.#keys.add(key);
  }
}
