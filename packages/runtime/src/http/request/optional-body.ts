import type { FastifyRequest } from 'fastify';
import type { Http } from '../app.ts';

/**
 * Many clients name a content type on every call, also where they send no body. A type of nothing says
 * nothing, so it must not be 415.
 */
export function forgetEmptyBodies(app: Http): void {
  app.addHook('onRequest', ({ headers }, _reply, done) => {
    const isEmpty = (headers['content-length'] ?? '0') === '0' && headers['transfer-encoding'] === undefined;
    if (isEmpty) delete headers['content-type'];
    done();
  });
}

/**
 * For a route whose body may be left out: an absent body counts as one without fields. Fastify would
 * otherwise validate `null`. A literal `null` is still refused.
 */
export async function optionalBody(request: FastifyRequest): Promise<void> {
  if (request.body === undefined) request.body = {};
}
