import { UserId } from '@seckill/contracts';
import { Problem } from '@seckill/runtime';
import { errors, jwtVerify, type JWTPayload } from 'jose';
import { Compile } from 'typebox/compile';
import type { TokenKeys } from './token-keys.ts';

const userId = Compile(UserId);

export interface Identity {
  userId: string;
  isAdmin: boolean;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by `authenticate`; reading it on a route without that hook is our bug. */
    identity: Identity;
  }
}

export interface IdentityOptions {
  keys: TokenKeys;
  issuer: string | undefined;
  audience: string | undefined;
}

/** Turns an Authorization header into who is asking. The user id comes from the token and from nowhere else. */
export interface Identifier {
  /**
   * @throws Problem `unauthenticated` for a missing, malformed, expired or forged token; `overloaded` when the keys
   * cannot be fetched.
   */
  identify(authorization: string | undefined): Promise<Identity>;
}

/** A key that was taken back is believed this long. */
const KNOWN_MS_MAX = 60_000;
/** With tokens of 280 bytes 450 bytes each (measured): 45 MB. */
const KNOWN_COUNT_MAX = 100_000;
/** Beyond this a token is verified each time and not kept. */
const KNOWN_LENGTH_MAX = 2_048;

export function createIdentifier({ keys, issuer, audience }: IdentityOptions): Identifier {
  const verification = {
    // Pinned: the token does not choose how it is checked, so `alg: none` and key confusion end here.
    algorithms: keys.algorithms,
    requiredClaims: ['sub', 'exp'],
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
  };
  const known = new Map<string, { identity: Identity; until: number }>();

  /** @throws jose's error */
  async function verify(token: string): Promise<JWTPayload> {
    const { key } = keys;
    const { payload } =
      typeof key === 'function'
        ? await jwtVerify(token, key, verification)
        : await jwtVerify(token, key, verification);
    return payload;
  }

  function remember(token: string, identity: Identity, expiresAt: number): void {
    if (token.length > KNOWN_LENGTH_MAX) return;
    for (const oldest of known.keys()) {
      if (known.size < KNOWN_COUNT_MAX) break;
      known.delete(oldest);
    }
    known.set(token, { identity, until: Math.min(expiresAt, Date.now() + KNOWN_MS_MAX) });
  }

  return {
    async identify(authorization) {
      const token = /^Bearer ([A-Za-z0-9_.-]+)$/i.exec(authorization ?? '')?.[1];
      if (token === undefined) throw new Problem('unauthenticated', { detail: 'send a bearer token' });
      const before = known.get(token);
      if (before !== undefined && before.until > Date.now()) return before.identity;
      known.delete(token);
      const payload = await verify(token).catch((error: unknown) => {
        throw toProblem(error);
      });
      if (!userId.Check(payload.sub)) {
        throw new Problem('unauthenticated', { detail: 'sub must be 1 to 128 visible ASCII characters' });
      }
      const scope = typeof payload['scope'] === 'string' ? payload['scope'].split(' ') : [];
      const identity = { userId: payload.sub, isAdmin: scope.includes('sale:admin') };
      remember(token, identity, (payload.exp ?? 0) * 1_000);
      return identity;
    },
  };
}

/** Whether the token is bad, or we cannot tell because the issuer's keys are out of reach. */
function toProblem(error: unknown): unknown {
  const isUnreachable =
    error instanceof errors.JWKSTimeout ||
    error instanceof errors.JWKSInvalid ||
    (error instanceof errors.JOSEError && error.code === 'ERR_JOSE_GENERIC') ||
    (error instanceof TypeError && error.message === 'fetch failed');
  if (isUnreachable) {
    return new Problem('overloaded', { detail: 'tokens cannot be checked now', cause: error });
  }
  if (!(error instanceof errors.JOSEError)) return error;
  const detail = error instanceof errors.JWTExpired ? 'the token has expired' : 'the token is not valid';
  return new Problem('unauthenticated', { detail, cause: error });
}
