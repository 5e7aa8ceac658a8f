import { traceIdOf, type Http } from '@seckill/runtime';

/**
 * Answers to a crowd are sampled. For each route and status the first answer is logged, and then one in this
 * many, with the count. A line for every answer raises the gateway's CPU for a "sold out" from 134 to 181 µs,
 * and leaves 0.74 of the answers a second (six pairs on two shared cores).
 */
const SAMPLE = 1_000;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A crowd asks this, so its good answers are as many as its rejections, and are sampled as those. */
    isCrowded?: boolean;
  }
}

/**
 * Writes one line a request. The line has the route's template and not its URL, because the URL has ids in
 * it. The line does not tell who asked. A crowd that hears "sold out", or that looks at the sale, must not
 * become a flood of log lines.
 */
export function logRequests(app: Http): void {
  // The routes and the statuses there are bound this map.
  const counts = new Map<string, number>();
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown';
    const { statusCode: status, elapsedTime: ms } = reply;
    const isRejection = status >= 400 && status !== 500;
    const isOneOfMany = isRejection || (status < 400 && request.routeOptions.config.isCrowded === true);
    const line = () => ({
      method: request.method,
      route,
      status,
      ms: Math.round(ms),
      ...(request.span === undefined ? {} : { traceId: traceIdOf(request.span.traceparent) }),
    });
    if (!isOneOfMany) {
      request.log.info(line(), 'request');
    } else {
      const key = `${request.method} ${route} ${status}`;
      const count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count);
      const name = isRejection ? 'rejections' : 'answers';
      if (count % SAMPLE === 1) request.log.info({ ...line(), [name]: count }, 'request, one of many');
    }
    done();
  });
}
