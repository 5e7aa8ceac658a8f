import { SignJWT } from 'jose';

export interface TokenOptions {
  userId: string;
  isOperator?: boolean;
  ttlSeconds?: number;
}

const TTL_SECONDS = 3_600;

/** Signs an HS256 token as the gateway takes it. `scope` holds `sale:admin` for operators. */
export function signToken(
  jwtSecret: string,
  { userId, isOperator, ttlSeconds }: TokenOptions,
): Promise<string> {
  return new SignJWT(isOperator === true ? { scope: 'sale:admin' } : {})
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(userId)
    .setIssuedAt()
    .setExpirationTime(Math.floor(Date.now() / 1000) + (ttlSeconds ?? TTL_SECONDS))
    .sign(new TextEncoder().encode(jwtSecret));
}
