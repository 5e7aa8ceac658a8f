import { hash, randomBytes } from 'node:crypto';

/**
 * 96 bits: an id cannot be guessed (docs/recovery.md). A multiple of 3, so that base64url is whole
 * characters.
 */
const RANDOM_BYTES = 12;
const RANDOM_LENGTH = 16;
/** 132 bits: no two buyers or keys share a hash by chance. */
const KEY_HASH_LENGTH = 22;

/**
 * What stands after sale and lane in a reservation id: `<random><keyHash>`. A hold is one field of one hash,
 * which both its id and its buyer's key must lead to, so the id ends with the hash of the key.
 */
export interface SuffixParts {
  random: string;
  keyHash: string;
}

/** Of a sale's buyer and key; field of `holds` and `keys`. Neither may hold the line feed between them. */
export function keyHashOf(userId: string, idempotencyKey: string): string {
  return hash('sha256', `${userId}\n${idempotencyKey}`, 'base64url').slice(0, KEY_HASH_LENGTH);
}

/** Of a suffix that is none of ours the parts lead to no hold. */
export function splitSuffix(suffix: string): SuffixParts {
  return { random: suffix.slice(0, RANDOM_LENGTH), keyHash: suffix.slice(RANDOM_LENGTH) };
}

/** So many random parts of new ids, together: one alone costs 2.5 µs, a hundred at once 0.1 µs each. */
export function makeRandoms(count: number): string[] {
  const text = randomBytes(RANDOM_BYTES * count).toString('base64url');
  return Array.from({ length: count }, (_, index) =>
    text.slice(RANDOM_LENGTH * index, RANDOM_LENGTH * (index + 1)),
  );
}
