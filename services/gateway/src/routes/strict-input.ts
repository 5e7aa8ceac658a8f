import type { IncomingMessage } from 'node:http';
import { detailOf } from '@seckill/contracts';
import { isHealthRoute, Problem, type Http } from '@seckill/runtime';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { queryOf } from './query-text.ts';

/** The most characters of a client's own words that an answer repeats. */
const FIELD_LENGTH_MAX = 128;

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * The change may depend on a version. Elsewhere a condition that was ignored would be taken for one that
     * holds.
     */
    takesIfMatch?: boolean;
  }
}

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
    // Fastify makes the object anew each time it is asked for.
    const { routeOptions } = request;
    const { schema, config } = routeOptions;
    const hasNoRules = request.is404 || isHealthRoute({ routeOptions });
    if (isUnheeded(request)) {
      done(refused('header_not_taken', 'If-Match'));
      return;
    }
    const malformed = config.readsBody === true ? undefined : findMalformedParameter(request.url);
    if (malformed !== undefined && !hasNoRules) {
      done(refused('query_malformed', malformed));
      return;
    }
    const isExempt = hasNoRules || schema?.body !== undefined || config.readsBody === true;
    const field = isExempt ? undefined : findBodyField(request);
    if (field === 'chunks') {
      hasBytes(request.raw).then((isBody) => {
        done(isBody ? refused('body_unexpected', 'body') : undefined);
      }, done);
    } else {
      done(field === undefined ? undefined : refused('body_unexpected', field));
    }
  });
}

function refused(detail: 'body_unexpected' | 'header_not_taken' | 'query_malformed', field: string): Problem {
  return new Problem('invalid_request', { detail: detailOf(detail, { field }), extra: { field } });
}

/**
 * Fastify takes what it cannot decode as it stands. A list of another buyer, or of nobody, would be the
 * answer.
 * @returns the first parameter that is not UTF-8, percent-encoded; `query` when it is its name that is not.
 */
function findMalformedParameter(url: string): string | undefined {
  if (!url.includes('%')) return undefined;
  for (const parameter of queryOf(url).slice(1).split('&')) {
    if (isDecodable(parameter)) continue;
    const [name = ''] = parameter.split('=');
    return isDecodable(name) ? decodeURIComponent(name).slice(0, FIELD_LENGTH_MAX) : 'query';
  }
  return undefined;
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** Reads have conditions of their own, and a signed notice is money whatever comes with it. */
function isUnheeded(request: FastifyRequest): boolean {
  const { method, headers, is404 } = request;
  if (method === 'GET' || method === 'HEAD' || is404 || headers['if-match'] === undefined) return false;
  const { takesIfMatch, readsBody } = request.routeOptions.config;
  return takesIfMatch !== true && readsBody !== true;
}

/** Reads what Fastify leaves unread, up to the first byte. Node's `requestTimeout` bounds the wait. */
async function hasBytes(message: IncomingMessage): Promise<boolean> {
  if (message.readableEnded) return false;
  // The connection broke while the token was looked at: nothing more comes, and nobody hears the answer.
  if (message.destroyed) return true;
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
