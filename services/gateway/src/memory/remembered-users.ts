import { fnv1a } from '@seckill/contracts';

/**
 * How many sequences are kept beyond the first gap. Past this number the gap will not close by itself, and
 * stock is asked.
 */
const AHEAD_MAX = 10_000;

/**
 * Knows who has reserved in a lane under one epoch, as hashes. A buyer may share a hash with another and is
 * then asked about in vain, but no buyer is ever missed. The set is complete up to the first sequence that
 * nobody told us of.
 */
export class RememberedUsers {
  readonly #hashes = new Set<number>();
  readonly #usersMax: number;
  readonly #ahead = new Set<number>();
  /** Every user of sequences 1 to here is known; undefined until stock has told the whole. */
  #completeTo: number | undefined;

  constructor(usersMax: number) {
    this.#usersMax = usersMax;
  }

  get size(): number {
    return this.#hashes.size;
  }

  /** Does it name every user of sequences 1 to `sequence` (and of earlier epochs)? */
  isComplete(sequence: number): boolean {
    return this.#completeTo !== undefined && this.#completeTo >= sequence;
  }

  has(userId: string): boolean {
    return this.#hashes.has(fnv1a(userId));
  }

  /** Adds a user whose sequence we do not know (yet). */
  add(userId: string): void {
    this.#addHash(fnv1a(userId));
  }

  /** The list holds sequence and hash in turn, in any order, and may name one more than once. */
  learn(users: number[]): void {
    for (let index = 0; index + 1 < users.length; index += 2) {
      const sequence = users[index] ?? 0;
      this.#addHash(users[index + 1] ?? 0);
      if (this.#completeTo === undefined || sequence > this.#completeTo) this.#ahead.add(sequence);
    }
    this.#closeGap();
    if (this.#ahead.size > AHEAD_MAX) {
      this.#ahead.clear();
      this.#completeTo = undefined;
    }
  }

  /** `base64` holds 32-bit numbers, little-endian: every user up to this sequence and of earlier epochs. */
  fill(sequence: number, base64: string): void {
    const bytes = Buffer.from(base64, 'base64');
    for (let offset = 0; offset + 4 <= bytes.length; offset += 4) this.#addHash(bytes.readUInt32LE(offset));
    if (this.#hashes.size > this.#usersMax) return;
    this.#completeTo = Math.max(sequence, this.#completeTo ?? 0);
    for (const known of this.#ahead) if (known <= this.#completeTo) this.#ahead.delete(known);
    this.#closeGap();
  }

  #closeGap(): void {
    while (this.#completeTo !== undefined && this.#ahead.delete(this.#completeTo + 1)) this.#completeTo += 1;
  }

  #addHash(hash: number): void {
    if (this.#hashes.size <= this.#usersMax) this.#hashes.add(hash);
    // One sequence is missing from here on, so nothing can be said any more.
    else this.#completeTo = undefined;
  }
}
