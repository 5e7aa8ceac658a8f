import { traceIdOf, type Http, type HttpOptions, type Logger, type RequestSeconds } from '@seckill/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';

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
  // By the route's own configuration: an object for each route and method, and one for all unknown routes.
  const counts = new Map<object, (status: number) => number>();
  app.addHook('onResponse', (request, reply, done) => {
    const { config } = request.routeOptions;
    const { statusCode: status } = reply;
    const isRejection = status >= 400 && status !== 500;
    if (!isRejection && (status >= 400 || config.isCrowded !== true)) {
      request.log.info(lineOf(request, reply), 'request');
      done();
      return;
    }
    let count = counts.get(config);
    if (count === undefined) {
      count = countBy();
      counts.set(config, count);
    }
    const times = count(status);
    const name = isRejection ? 'rejections' : 'answers';
    if (times % SAMPLE === 1) {
      request.log.info({ ...lineOf(request, reply), [name]: times }, 'request, one of many');
    }
    done();
  });
}

function lineOf(request: FastifyRequest, { statusCode: status, elapsedTime: ms }: FastifyReply) {
  return {
    method: request.method,
    route: request.routeOptions.url ?? 'unknown',
    status,
    ms: Math.round(ms),
    ...(request.span === undefined ? {} : { traceId: traceIdOf(request.span.traceparent) }),
  };
}

/**
 * Counts, and logs one of many, what Node's parser refused. Such bytes pass by all hooks. Method and path are
 * the sender's own words, so neither is told.
 */
export function noteMalformed(
  logger: Logger,
  requestSeconds: RequestSeconds,
): NonNullable<HttpOptions['onMalformed']> {
  const count = countBy();
  const who = { method: 'unknown', route: 'unknown' };
  return ({ status, requestId }) => {
    requestSeconds.observe({ ...who, status: String(status) }, 0);
    const rejections = count(status);
    if (rejections % SAMPLE === 1) {
      logger.info({ ...who, status, reqId: requestId, rejections }, 'request, one of many');
    }
  };
}

/** The statuses that there are bound the map. */
function countBy(): (status: number) => number {
  const counts = new Map<number, number>();
  return (status) => {
    const times = (counts.get(status) ?? 0) + 1;
    counts.set(status, times);
    return times;
  };
}
