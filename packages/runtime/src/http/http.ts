import type { Socket } from 'node:net';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { detailOf, LIMITS } from '@seckill/contracts';
import Fastify, { LogController, type FastifyBaseLogger, type FastifyRequest } from 'fastify';
import type { Logger } from '../logger.ts';
import type { Http, HttpOptions } from './app.ts';
import { FreezeGuard } from './freeze-guard.ts';
import { toProblem } from './problem/error-problem.ts';
import { Problem } from './problem/problem.ts';
import { sendProblem } from './problem/send-problem.ts';
import { forgetEmptyBodies } from './request/optional-body.ts';
import { refuseEncodedBodies } from './request/encoded-body.ts';
import { parseJson } from './request/json-body.ts';
import { hasMalformedPath, routableUrl } from './request/malformed-path.ts';
import { answerConnect, answerMalformed } from './request/malformed-request.ts';
import { requestIdOf } from './request/request-id.ts';
import { RequestLogger } from './request/request-logger.ts';
import { followAnswers } from './request/unanswered.ts';
import { answerUnknownRoutes, collectMethods } from './request/unknown-route.ts';

/**
 * A Fastify app with the manners every service shares: strict validation, problem+json for every error,
 * request ids, health routes. This function assembles the app and never listens.
 */
export function createHttp(options: HttpOptions): Http {
  // The base type is used on purpose: Fastify's generics would otherwise carry pino's class into every route.
  const logger: FastifyBaseLogger = options.logger;
  const app = Fastify({
    loggerInstance: logger,
    // The app itself writes one line per request. Fastify's own two are switched off.
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: options.trustProxy ?? false,
    bodyLimit: options.bodyBytesMax ?? LIMITS.bodyBytesMax,
    genReqId: requestIdOf,
    childLoggerFactory: (parent, bindings, options) => new RequestLogger(parent, bindings, options),
    // The time is longer than undici's 4 s for idle sockets, so that a client never writes into a socket we
    // are closing.
    keepAliveTimeout: 72_000,
    requestTimeout: 10_000,
    // The longest time without a byte either way. A client that does not read its answer would otherwise keep
    // it, and all that waits behind it, for ever. The time is longer than the slowest call between services,
    // 15 s.
    connectionTimeout: 30_000,
    http: {
      // Whoever sends byte by byte holds a connection, not a request. The headers have 5 s, all of the
      // request has 10 s.
      headersTimeout: 5_000,
      // Node looks every 30 s by default, and the bounds above would be as long.
      connectionsCheckingInterval: 1_000,
    },
    // Fastify's own 100 would answer 404 to a reservation id of 112 characters, the longest we make.
    routerOptions: { maxParamLength: LIMITS.reservationIdLengthMax },
    // A quantity of "1" or an unknown field is the client's error, told at once instead of guessed at.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, allErrors: false } },
    rewriteUrl: routableUrl,
    // What Fastify still finds wrong with a path. Fastify's own message would echo the URL.
    frameworkErrors: (_error, request, reply) => {
      sendProblem(request, reply, malformedPath(), options);
    },
    clientErrorHandler: (error, socket) => {
      answerMalformed(error, socket, malformedDeps);
    },
  }).withTypeProvider<TypeBoxTypeProvider>();
  const allowedOn = collectMethods(app);
  const malformedDeps = { ...options, allowedOn, unansweredOn: followAnswers(app.server) };
  app.server.on('connect', (_request, socket: Socket) => {
    answerConnect(socket, malformedDeps);
  });

  // Fastify would parse text/plain and answer 400; docs/http-api.md wants 415.
  app.removeContentTypeParser('text/plain');
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    if (options.headers !== undefined) reply.headers(options.headers);
    done();
  });
  forgetEmptyBodies(app);
  parseJson(app, options.refusesRepeatedMembers ?? false);
  refuseEncodedBodies(app);
  closeAfterAnswer(app, options.isReady);
  app.setErrorHandler((error, request, reply) => {
    const problem = toProblem(error);
    if (problem.code === 'internal') request.log.error({ err: error }, 'request failed');
    sendProblem(request, reply, problem, options);
  });
  answerUnknownRoutes(app, allowedOn, options);
  refuseWhatWaited(app, options.logger);
  // This runs after token and limits, before anything is made of the request.
  app.addHook('preParsing', (request, _reply, payload, done) => {
    if (hasMalformedPath(request.raw)) throw malformedPath();
    done(null, payload);
  });

  app.get('/livez', async () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    if (!options.isReady()) reply.code(503);
    return { status: options.isReady() ? 'ok' : 'unavailable' };
  });
  return app;
}

/**
 * While draining, each answer tells the client that it was the last one on its connection: it goes elsewhere,
 * and no idle connection is left whose next request would meet a closed one, or hold up the end by its whole
 * keep-alive time.
 */
function closeAfterAnswer(app: Http, isReady: () => boolean): void {
  let isClosing = false;
  app.addHook('preClose', async () => {
    isClosing = true;
  });
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (isClosing || !isReady()) reply.header('connection', 'close');
    done(null, payload);
  });
}

/**
 * Whoever asked while the process was frozen has given up, and may have repeated elsewhere and heard a
 * definite answer. A change that is made now would undo it. To read late does no harm.
 */
function refuseWhatWaited(app: Http, logger: Logger): void {
  const guard = new FreezeGuard(logger);
  app.addHook('onReady', async () => {
    guard.start();
  });
  app.addHook('onClose', async () => {
    guard.stop();
  });
  // This is the last look before the handler: a body may have waited where its headers did not.
  app.addHook('preHandler', ({ method }, _reply, done) => {
    if (method !== 'GET' && method !== 'HEAD' && guard.mayHaveWaited()) throw new Problem('overloaded');
    done();
  });
}

/** Orchestrators and balancers ask these routes, so they are exempt from limits and shedding. */
export function isHealthRoute(request: Pick<FastifyRequest, 'routeOptions'>): boolean {
  const { url } = request.routeOptions;
  return url === '/livez' || url === '/readyz';
}

function malformedPath(): Problem {
  return new Problem('invalid_request', { detail: detailOf('path_malformed'), extra: { field: 'path' } });
}
