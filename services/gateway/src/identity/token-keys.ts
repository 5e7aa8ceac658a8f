import { createPublicKey, type KeyObject } from 'node:crypto';
import { createRemoteJWKSet, type JWTVerifyGetKey } from 'jose';

/** How tokens are signed: exactly one of these, and the algorithms that go with it. */
export type TokenKeys = SecretKeys | PublicKeys;

export interface SecretKeys {
  secret: string;
  algorithms: ['HS256'];
}

export interface PublicKeys {
  key: KeyObject | JWTVerifyGetKey;
  algorithms: string[];
}

export class TokenKeyError extends Error {
  override readonly name = 'TokenKeyError';
  readonly code = 'SECKILL_TOKEN_KEY';
}

/**
 * Algorithms by type of key, the default first. A token cannot choose to be checked with another
 * kind of key.
 */
const ALGORITHMS: Record<string, string[]> = {
  rsa: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  'rsa-pss': ['PS256', 'PS384', 'PS512'],
  prime256v1: ['ES256'],
  secp384r1: ['ES384'],
  secp521r1: ['ES512'],
  ed25519: ['EdDSA'],
};
const ASYMMETRIC = [...new Set(Object.values(ALGORITHMS).flat())];
/** The key has at least 2048 bits, as RFC 7518, section 3.3 asks. */
const RSA_BITS_MIN = 2_048;

export const ALGORITHM_NAMES = ['HS256', ...ASYMMETRIC];

export function secretKeys(secret: string): SecretKeys {
  return { secret, algorithms: ['HS256'] };
}

/** @throws TokenKeyError when this is no public key, or not one for the algorithm. */
export function publicKeys(pem: string, algorithm: string | undefined): PublicKeys {
  // Node would derive the public key, but whoever only verifies must not be able to sign.
  if (pem.includes('PRIVATE KEY')) throw new TokenKeyError('this is a private key');
  const key = readPem(pem);
  const { asymmetricKeyType: type = '', asymmetricKeyDetails: details } = key;
  if ((details?.modulusLength ?? RSA_BITS_MIN) < RSA_BITS_MIN) {
    throw new TokenKeyError(`an RSA key needs at least ${RSA_BITS_MIN} bits`);
  }
  const fitting = ALGORITHMS[type === 'ec' ? (details?.namedCurve ?? '') : type] ?? [];
  const chosen = algorithm ?? fitting[0];
  if (chosen === undefined || !fitting.includes(chosen)) {
    throw new TokenKeyError(`a key of type ${type} is none for ${chosen ?? 'any algorithm we take'}`);
  }
  return { key, algorithms: [chosen] };
}

function readPem(pem: string): KeyObject {
  try {
    return createPublicKey(pem);
  } catch (error) {
    throw new TokenKeyError('this is no public key in PEM', { cause: error });
  }
}

/**
 * Keys that rotate. An unknown key id makes us look again, at most every 10 s, so that forged ids cannot make
 * us flood the issuer. What was found is kept for 10 minutes.
 */
export function jwksKeys(url: string, algorithm: string | undefined, cooldownMs = 10_000): PublicKeys {
  const key = createRemoteJWKSet(new URL(url), {
    timeoutDuration: 2_000,
    cooldownDuration: cooldownMs,
    cacheMaxAge: 600_000,
  });
  // HS256 is not among them: a public key is no secret.
  return { key, algorithms: algorithm === undefined ? ASYMMETRIC : [algorithm] };
}
