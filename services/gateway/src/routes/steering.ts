import { detailOf } from '@seckill/contracts';
import { Problem } from '@seckill/runtime';
import type { FastifyRequest } from 'fastify';
import type { Steering } from '../upstream/order-calls.ts';
import { readIfMatch } from './if-match.ts';

/** An operator's change of a sale, which may depend on its version. @throws Problem as `readIfMatch` */
export function steeringOf(request: FastifyRequest, reason?: string): Steering {
  const version = readIfMatch(request.headers['if-match']);
  return { ...takenUp(request, reason), ...(version === undefined ? {} : { version }) };
}

/**
 * A change of what has no version, by an operator or of one's own. The deadline of such a change counts from
 * now.
 */
export function takenUp({ identity }: FastifyRequest, reason?: string): Steering {
  return { startedAt: performance.now(), by: identity.userId, ...(reason === undefined ? {} : { reason }) };
}

/** What whoever is no operator hears where one is needed. */
export const notOperator = (): Problem =>
  new Problem('forbidden', { detail: detailOf('scope_missing', { scope: 'sale:admin' }) });
