import { hash } from 'node:crypto';

/** This many characters are 132 bits, so no two buyers or keys share a hash by chance. */
const KEY_HASH_LENGTH = 22;

/**
 * The hash of a sale's buyer and key, which is the field of `holds` and `keys` in Redis and the end of the
 * reservation's id. Neither text may hold the line feed between them.
 */
export function keyHashOf(userId: string, idempotencyKey: string): string {
  return hash('sha256', `${userId}\n${idempotencyKey}`, 'base64url').slice(0, KEY_HASH_LENGTH);
}

/**
 * The hash of a user's idempotency key that stock announces and the gateway remembers: 32 bits. Buyers choose
 * their keys, so an open hash would let one make a second key with the hash of the first. The gateway would
 * then ask stock for that buyer alone, ahead of everybody who is answered from memory. Nobody outside knows
 * the salt. The call costs 2 µs.
 */
export function saltedKeyHash(salt: string, userId: string, idempotencyKey: string): number {
  return Number.parseInt(hash('sha256', `${salt}\n${userId}\n${idempotencyKey}`, 'hex').slice(0, 8), 16);
}
