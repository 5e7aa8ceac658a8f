import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Http, HttpOptions } from '../app.ts';
import { Problem } from '../problem/problem.ts';
import { sendProblem } from '../problem/send-problem.ts';

/** The methods that a path takes; none where there is no such path. */
export type AllowedOn = (path: string) => string[];

/** Collects the methods of the routes that are added from now on. */
export function collectMethods(app: Http): AllowedOn {
  const routes: { pattern: RegExp; methods: string[] }[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    const source = url
      .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
      .replace(/:[A-Za-z]+/g, '[^/]+')
      .replace(/\*/g, '.*');
    routes.push({ pattern: new RegExp(`^${source}$`), methods: [method].flat() });
  });
  return (path) => [
    ...new Set(routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods)),
  ];
}

/**
 * Answers 405 where the path exists under another method, else 404. The answer comes before the body is
 * looked at. Fastify would answer 400 or 415 to a body, or to a `QUERY` without one, on a route that does not
 * exist.
 */
export function answerUnknownRoutes(
  app: Http,
  allowedOn: AllowedOn,
  options: Pick<HttpOptions, 'docsBaseUrl'>,
): void {
  const refuse = (request: FastifyRequest, reply: FastifyReply): Problem => {
    const allowed = allowedOn(request.url.split('?', 1)[0] ?? '');
    if (allowed.length > 0) reply.header('allow', allowed.join(', '));
    return new Problem(allowed.length > 0 ? 'method_not_allowed' : 'not_found');
  };
  app.addHook('preParsing', (request, reply, payload, done) => {
    if (request.is404) throw refuse(request, reply);
    done(null, payload);
  });
  app.setNotFoundHandler((request, reply) => {
    sendProblem(request, reply, refuse(request, reply), options);
  });
}
