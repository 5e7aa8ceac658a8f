import type { IncomingMessage } from 'node:http';
import { LIMITS } from '@seckill/contracts';

/** Stands for a part of a path that no route could take. No id of ours looks like it. */
const PLACEHOLDER = '-';

const malformed = new WeakSet<IncomingMessage>();

/**
 * The URL that a request is routed by. Fastify answers a path that it cannot decode, or with too long a part,
 * before any hook runs. Such a request would pass by token, limits, shedding, security headers, metrics and
 * log. So the part is replaced and the request goes its route's way. In the end, whoever may ask is told that
 * the path is malformed.
 */
export function routableUrl(request: IncomingMessage): string {
  const url = request.url ?? '/';
  if (!url.includes('%') && url.length <= LIMITS.reservationIdLengthMax) return url;
  const [path = '', ...query] = url.split('?');
  const parts = path.split('/').map((part) => {
    if (isWellFormed(part)) return part;
    malformed.add(request);
    return PLACEHOLDER;
  });
  return [parts.join('/'), ...query].join('?');
}

export function hasMalformedPath(request: IncomingMessage): boolean {
  return malformed.has(request);
}

function isWellFormed(part: string): boolean {
  if (part.length > LIMITS.reservationIdLengthMax) return false;
  try {
    decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}
