import { Histogram, type Registry } from 'prom-client';
import type { Http } from './app.ts';

/** Method, route template and status of an answer, and how long it took. */
export type RequestSeconds = Histogram<'method' | 'route' | 'status'>;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The answer goes on for as long as the reader likes: its length tells nothing. */
    isStream?: boolean;
  }
}

/** @param service that of the metric's name, as in `seckill_gateway_request_seconds`. */
export function createRequestSeconds(
  registry: Registry,
  service: 'gateway' | 'stock' | 'order',
): RequestSeconds {
  return new Histogram({
    name: `seckill_${service}_request_seconds`,
    help: `Answer times of ${service}, by route template; streams of events are not in it`,
    labelNames: ['method', 'route', 'status'],
    // An answer takes milliseconds while a sale goes well. After 5 s every caller has given up.
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: [registry],
  });
}

/** Observes every answer under its route's template and never under its URL: callers make URLs up. */
export function observeRequests(app: Http, requestSeconds: RequestSeconds): void {
  app.addHook('onResponse', (request, { statusCode, elapsedTime }, done) => {
    const { url: route = 'unknown', config } = request.routeOptions;
    if (config.isStream !== true || statusCode !== 200) {
      const labels = { method: request.method, route, status: String(statusCode) };
      requestSeconds.observe(labels, elapsedTime / 1_000);
    }
    done();
  });
}
