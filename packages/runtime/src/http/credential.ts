import { createHash, timingSafeEqual } from 'node:crypto';
import { Problem } from './problem/problem.ts';

/**
 * Each service has a credential of its own, and a route names the callers it accepts. Digests are compared,
 * so that time leaks neither content nor length.
 */
export function requireCaller<Caller extends string>(tokens: Record<Caller, string>, allowed: Caller[]) {
  const digests = allowed.map((caller) => digest(tokens[caller]));
  return async (request: { headers: { authorization?: string | undefined } }): Promise<void> => {
    const given = digest(request.headers.authorization?.replace(/^Bearer /i, '') ?? '');
    // Every digest is compared, whichever matches.
    const matches = digests.map((expected) => timingSafeEqual(expected, given));
    if (!matches.includes(true)) {
      throw new Problem(request.headers.authorization === undefined ? 'unauthenticated' : 'forbidden');
    }
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
