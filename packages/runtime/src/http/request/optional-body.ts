import type { FastifyRequest } from 'fastify';

/**
 * For a route whose body may be left out: an absent body counts as one without fields. Fastify would
 * otherwise validate `null`. A literal `null` is still refused.
 */
export async function optionalBody(request: FastifyRequest): Promise<void> {
  if (request.body === undefined) request.body = {};
}
