import { traceIdOf, type Http, type HttpOptions, type Logger, type RequestSeconds } from '@seckill/runtime';

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
  const count = countBy();
  app.addHook('onResponse', (request, reply, done) => {
    const { url: route = 'unknown', config } = request.routeOptions;
    const { statusCode: status, elapsedTime: ms } = reply;
    const isRejection = status >= 400 && status !== 500;
    const isOneOfMany = isRejection || (status < 400 && config.isCrowded === true);
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
      const times = count(`${request.method} ${route} ${status}`);
      const name = isRejection ? 'rejections' : 'answers';
      if (times % SAMPLE === 1) request.log.info({ ...line(), [name]: times }, 'request, one of many');
    }
    done();
  });
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
    const rejections = count(String(status));
    if (rejections % SAMPLE === 1) {
      logger.info({ ...who, status, reqId: requestId, rejections }, 'request, one of many');
    }
  };
}

/** The routes and the statuses that there are bound the map. */
function countBy(): (key: string) => number {
  const counts = new Map<string, number>();
  return (key) => {
    const times = (counts.get(key) ?? 0) + 1;
    counts.set(key, times);
    return times;
  };
}
