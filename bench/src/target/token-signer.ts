import { createHmac, createSecretKey } from 'node:crypto';

const TTL_SECONDS = 3 * 3_600;
const HEADER = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'JWT' })).toString('base64url');

/**
 * Signs HS256 tokens for a crowd, synchronously. Each buyer of a load has a token, and jose's way through
 * WebCrypto's thread pool takes several times as long as the hash. `bench/test/generator/requests.test.ts`
 * checks these tokens against jose.
 */
export function createTokenSigner(jwtSecret: string): (userId: string, scope?: string) => string {
  const key = createSecretKey(jwtSecret, 'utf8');
  const iat = Math.floor(Date.now() / 1_000);
  return (userId, scope) => {
    const claims = { sub: userId, iat, exp: iat + TTL_SECONDS, ...(scope === undefined ? {} : { scope }) };
    const text = `${HEADER}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
    return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
  };
}
