import { UserId } from '@seckill/contracts';
import { Problem } from '@seckill/runtime';
import { errors, jwtVerify } from 'jose';
import { Compile } from 'typebox/compile';

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
  secret: string;
  issuer: string | undefined;
  audience: string | undefined;
}

/** Turns an Authorization header into who is asking. The user id comes from the token and from nowhere else. */
export interface Identifier {
  /** @throws Problem `unauthenticated` for a missing, malformed, expired or forged token. */
  identify(authorization: string | undefined): Promise<Identity>;
}

export function createIdentifier(options: IdentityOptions): Identifier {
  const key = new TextEncoder().encode(options.secret);
  const verification = {
    // Pinned: the token does not choose how it is checked, so `alg: none` and key confusion end here.
    algorithms: ['HS256'],
    requiredClaims: ['sub', 'exp'],
    ...(options.issuer === undefined ? {} : { issuer: options.issuer }),
    ...(options.audience === undefined ? {} : { audience: options.audience }),
  };
  return {
    async identify(authorization) {
      const token = /^Bearer ([A-Za-z0-9_.-]+)$/i.exec(authorization ?? '')?.[1];
      if (token === undefined) throw new Problem('unauthenticated', { detail: 'send a bearer token' });
      try {
        const { payload } = await jwtVerify(token, key, verification);
        if (!userId.Check(payload.sub)) {
          throw new Problem('unauthenticated', { detail: 'sub must be 1 to 128 visible ASCII characters' });
        }
        const scope = typeof payload['scope'] === 'string' ? payload['scope'].split(' ') : [];
        return { userId: payload.sub, isAdmin: scope.includes('sale:admin') };
      } catch (error) {
        if (error instanceof errors.JOSEError) {
          const detail =
            error instanceof errors.JWTExpired ? 'the token has expired' : 'the token is not valid';
          throw new Problem('unauthenticated', { detail, cause: error });
        }
        throw error;
      }
    },
  };
}
