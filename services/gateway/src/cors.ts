import cors from '@fastify/cors';
import { Problem, type Http } from '@seckill/runtime';
import type { Admit } from './deps.ts';

/** What a page may send beyond what every browser sends. */
const ALLOWED_HEADERS = [
  'authorization',
  'content-type',
  'idempotency-key',
  'if-match',
  'if-none-match',
  'last-event-id',
  'traceparent',
  'x-request-id',
];

/** What a page may read of an answer beyond what every page may. */
const EXPOSED_HEADERS = [
  'content-language',
  'date',
  'etag',
  'idempotent-replayed',
  'location',
  'order-status',
  'ratelimit',
  'ratelimit-policy',
  'retry-after',
  'x-request-id',
];

/** Browsers keep the answer of a preflight for at most two hours, some for ten minutes. */
const PREFLIGHT_SECONDS = 7_200;

/**
 * Lets pages of the named origins speak to the API. The token travels in a header, so that no cookie is
 * needed and none is allowed. Preflights carry no token and count by address, as every request does.
 * @param origins as browsers write them: scheme, host and port. None: browsers of other origins stay out
 */
export async function allowOrigins(app: Http, origins: readonly string[], admit: Admit): Promise<void> {
  if (origins.length === 0) return;
  app.addHook('onRequest', async (request, reply) => {
    if (request.method !== 'OPTIONS') return;
    await admit(request, reply);
    const { origin, 'access-control-request-method': method } = request.headers;
    // The plugin would answer any OPTIONS, of any path, as if it were a preflight.
    if (origin === undefined || method === undefined) throw new Problem('method_not_allowed');
  });
  await app.register(cors, {
    origin: [...origins],
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: ALLOWED_HEADERS,
    exposedHeaders: EXPOSED_HEADERS,
    maxAge: PREFLIGHT_SECONDS,
  });
}
