import type { FastifyRequest } from 'fastify';
import type { Http } from '../http/app.ts';
import { isHealthRoute } from '../http/http.ts';
import { sampledTraceparent, type Span, type Tracing } from './tracing.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The span of the request. A request that is not traced has none. */
    span?: Span | undefined;
  }
}

/**
 * One span a request, under its route's template and never under its URL, which has ids in it.
 * @param options.isEdge requests come from outside: a trace may begin here, and a client's own flag counts
 * for nothing. Behind the edge only what a caller traces is traced.
 */
export function traceRequests(app: Http, tracing: Tracing | undefined, options: { isEdge: boolean }): void {
  if (tracing === undefined) return;
  app.decorateRequest('span', undefined);
  app.addHook('onRequest', (request, _reply, done) => {
    const parent = options.isEdge
      ? anyTraceparent(request)
      : sampledTraceparent(request.headers['traceparent']);
    const { url: route = 'unknown', config } = request.routeOptions;
    const isShort = !isHealthRoute(request) && config.isStream !== true;
    if (isShort && (options.isEdge || parent !== undefined)) {
      request.span = tracing.start(`${request.method} ${route}`, {
        kind: 'server',
        ...(parent === undefined ? {} : { parent }),
        attributes: { 'http.request.method': request.method, 'http.route': route },
      });
      // What is not sampled here is not to be sampled behind us either.
      if (request.span === undefined && parent !== undefined) {
        request.headers['traceparent'] = `${parent.slice(0, -2)}00`;
      }
    }
    done();
  });
  app.addHook('onResponse', ({ span }, { statusCode }, done) => {
    span?.set('http.response.status_code', statusCode);
    span?.end(statusCode >= 500 ? `answered ${statusCode}` : undefined);
    done();
  });
  app.addHook('onRequestAbort', ({ span }, done) => {
    span?.end('the client went away');
    done();
  });
}

function anyTraceparent({ headers }: FastifyRequest): string | undefined {
  const given = headers['traceparent'];
  // The flag is set for the look at the form only.
  if (typeof given !== 'string') return undefined;
  return sampledTraceparent(`${given.slice(0, -2)}01`) === undefined ? undefined : given;
}
