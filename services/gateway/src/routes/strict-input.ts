import type { IncomingMessage } from 'node:http';
import { detailOf } from '@seckill/contracts';
import { isHealthRoute, Problem, type Http } from '@seckill/runtime';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';

/** The most characters of a client's own words that an answer repeats. */
const FIELD_LENGTH_MAX = 128;

const NoQuery = Type.Object({}, { additionalProperties: false });

/**
 * Refuses what a call does not understand, on every route and before anything happens. An ignored body would
 * cancel a whole order for whoever meant one line of it, or close a sale now for whoever meant tomorrow. A
 * route without a schema for its query or its body takes none. Health is exempt: a probe may carry whatever
 * its maker thought of.
 */
export function refuseUnknownInput(app: Http): void {
  app.addHook('onRoute', (route) => {
    if (route.url === '/livez' || route.url === '/readyz') return;
    route.schema = { querystring: NoQuery, ...route.schema };
  });
  app.addHook('preValidation', (request, _reply, done) => {
    const { schema, config } = request.routeOptions;
    const isExempt =
      request.is404 || isHealthRoute(request) || schema?.body !== undefined || config.readsBody === true;
    const field = isExempt ? undefined : findBodyField(request);
    if (field === 'chunks') {
      hasBytes(request.raw).then((isBody) => {
        done(isBody ? unexpected('body') : undefined);
      }, done);
    } else {
      done(field === undefined ? undefined : unexpected(field));
    }
  });
}

function unexpected(field: string): Problem {
  return new Problem('invalid_request', { detail: detailOf('body_unexpected', { field }), extra: { field } });
}

/** Reads what Fastify leaves unread, up to the first byte. Node's `requestTimeout` bounds the wait. */
async function hasBytes(message: IncomingMessage): Promise<boolean> {
  return new Promise((resolve) => {
    message.once('data', () => {
      resolve(true);
    });
    message.once('end', () => {
      resolve(false);
    });
    message.once('close', () => {
      resolve(true);
    });
  });
}

/**
 * @returns what is there, or undefined when there is no body or the body says nothing; `chunks` when only
 * reading tells.
 */
function findBodyField({ body, headers, method }: FastifyRequest): string | undefined {
  // Fastify does not read the body of these methods.
  if (method === 'GET' || method === 'HEAD') {
    if (headers['transfer-encoding'] !== undefined) return 'chunks';
    return (headers['content-length'] ?? '0') === '0' ? undefined : 'body';
  }
  if (body === undefined) return undefined;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return 'body';
  return Object.keys(body)[0]?.slice(0, FIELD_LENGTH_MAX);
}
