import { hash, hkdfSync } from 'node:crypto';
import { LIMITS } from '@seckill/contracts';
import type { ConfigReader } from '@seckill/runtime';

/** What one key of the operator is used as: each use has a key of its own. */
export interface ContactKey {
  /** Names the key in what it sealed, and tells nothing of it. */
  id: string;
  /** AES-256 */
  sealing: Buffer;
  /** HMAC-SHA256 */
  mac: Buffer;
}

const KEY_BYTES = 32;
/** 48 bits: two keys of one operator share a name by a chance of 10^-13, and that is refused. */
const ID_LENGTH = 8;
const KEY = /^[A-Za-z0-9+/_-]{43}=?$/;

/** `CONTACT_KEY`: keys of 32 bytes in base64, the first of which seals. Empty without the variable. */
export function readContactKeys(reader: ConfigReader): ContactKey[] {
  const words = (reader.secretOrValue('CONTACT_KEY') ?? '').split(/[\s,]+/).filter((word) => word !== '');
  if (!words.every((word) => KEY.test(word) && bytesOf(word).length === KEY_BYTES)) {
    reader.refuse('CONTACT_KEY must be keys of 32 bytes in base64, separated by commas or spaces');
    return [];
  }
  const keys = words.map((word) => makeContactKey(bytesOf(word)));
  if (keys.length > LIMITS.contactKeysMax) {
    reader.refuse(`CONTACT_KEY must be at most ${LIMITS.contactKeysMax} keys`);
  }
  if (new Set(keys.map(({ id }) => id)).size < keys.length) reader.refuse('CONTACT_KEY has a key twice');
  return keys;
}

/** @param secret 32 random bytes */
export function makeContactKey(secret: Buffer): ContactKey {
  const derive = (use: string, length: number) =>
    Buffer.from(hkdfSync('sha256', secret, '', `seckill contact ${use}`, length));
  return {
    id: hash('sha256', derive('id', KEY_BYTES), 'base64url').slice(0, ID_LENGTH),
    sealing: derive('sealing', KEY_BYTES),
    mac: derive('mac', KEY_BYTES),
  };
}

/** Node reads both alphabets. */
const bytesOf = (word: string) => Buffer.from(word, 'base64');
