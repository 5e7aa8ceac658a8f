import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { isUtf8 } from 'node:buffer';
import { DETAILS, detailOf, LIMITS, type DetailKey, type Translation } from '@seckill/contracts';
import Fastify, {
  type ConnectionError,
  LogController,
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from 'fastify';
import type { Logger } from '../logger.ts';
import { FreezeGuard } from './freeze-guard.ts';
import { hasMalformedPath, routableUrl } from './request/malformed-path.ts';
import { languageOf, tellLanguage } from './problem/language.ts';
import { Problem, problemDocument, retryAfterOf } from './problem/problem.ts';
import { hasRepeatedMembers } from './request/repeated-members.ts';

export type Http = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

export interface HttpOptions {
  logger: Logger;
  isReady: () => boolean;
  /** The text before `/errors#<code>` in a problem's `type`. */
  docsBaseUrl?: string;
  bodyBytesMax?: number;
  /** Proxies whose `X-Forwarded-For` is believed; none by default. */
  trustProxy?: string;
  /** Headers of every answer, also of those to what is no HTTP. */
  headers?: Record<string, string>;
  /** Whether a body that names a member twice is refused. Services among themselves write no such body. */
  refusesRepeatedMembers?: boolean;
}

/**
 * The wait before a client that does not speak HTTP is cut off. The answer is on its way by then. Such a
 * client need not close, so we do.
 */
const HANG_UP_MS = 1_000;

// A caller's request id goes into logs and headers, so it is short and has nothing that could break a line.
const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * A Fastify app with the manners every service shares: strict validation, problem+json for every error,
 * request ids, health routes. It assembles and never listens.
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
    genReqId: (request) => {
      const given = request.headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
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
    // What Fastify still finds wrong with a path. Its own message would echo the URL.
    frameworkErrors: (_error, request, reply) => {
      sendProblem(request, reply, malformedPath(), options);
    },
    clientErrorHandler: (error, socket) => {
      answerMalformed(error, socket, { ...options, allowedOn });
    },
  }).withTypeProvider<TypeBoxTypeProvider>();
  const allowedOn = collectMethods(app);

  // Fastify would parse text/plain and answer 400; docs/http-api.md wants 415.
  app.removeContentTypeParser('text/plain');
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    if (options.headers !== undefined) reply.headers(options.headers);
    done();
  });
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

/**
 * Many clients name a JSON body on every call, also where they send none. An empty body counts as an absent
 * one. A route that needs a body refuses it as missing. Bytes that are no UTF-8 are refused: a decoder would
 * put another character in their place, and the text that comes out would not be the text that went in.
 */
function parseJson(app: Http, refusesRepeatedMembers: boolean): void {
  const refuse = (detail: Translation): Problem =>
    new Problem('invalid_request', { detail, extra: { field: 'body' } });
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    if (!isUtf8(bytes)) {
      done(refuse(detailOf('body_not_utf8')));
      return;
    }
    const body = bytes.toString('utf8');
    if (body.trim() === '') done(null, undefined);
    else if (!refusesRepeatedMembers) void parse(request, body, done);
    else {
      void parse(request, body, (error, value) => {
        if (error !== null || !hasRepeatedMembers(body, value)) done(error, value);
        else done(refuse(detailOf('members_repeated')));
      });
    }
  });
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route reads its body itself, byte by byte. */
    readsBody?: boolean;
  }
}

/** No body is decompressed: a few bytes could become many. */
function refuseEncodedBodies(app: Http): void {
  app.addHook('preParsing', (request, reply, payload, done) => {
    const encoding = request.headers['content-encoding'];
    if (encoding === undefined || encoding === 'identity' || request.routeOptions.config.readsBody === true) {
      done(null, payload);
      return;
    }
    // RFC 9110, 15.5.16: the answer says what would be taken.
    reply.header('accept-encoding', 'identity');
    throw new Problem('unsupported_media_type', { detail: detailOf('body_encoded') });
  });
}

/** The methods that a path takes; none where there is no such path. */
type AllowedOn = (path: string) => string[];

function collectMethods(app: Http): AllowedOn {
  const routes: { pattern: RegExp; methods: string[] }[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    const source = url.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:[A-Za-z]+/g, '[^/]+');
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
function answerUnknownRoutes(app: Http, allowedOn: AllowedOn, options: HttpOptions): void {
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

/** What is not HTTP never becomes a request, so the answer is written to the socket by hand. */
function answerMalformed(
  error: ConnectionError,
  socket: Socket,
  { docsBaseUrl = '', headers = {}, allowedOn }: HttpOptions & { allowedOn: AllowedOn },
): void {
  // Nobody listens any more.
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  // Node's own time-outs do not look again at a connection that had an error. Such a connection would also
  // hold up the end of the process.
  const hangUp = setTimeout(() => socket.destroy(), HANG_UP_MS);
  socket.once('close', () => {
    clearTimeout(hangUp);
  });
  const requestId = randomUUID();
  const say = (status: string, own: string[], body = ''): void => {
    const head = [
      `HTTP/1.1 ${status}`,
      `date: ${new Date().toUTCString()}`,
      `x-request-id: ${requestId}`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      ...own,
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
    ];
    socket.end([...head, '', body].join('\r\n'));
  };
  // These two have no body (docs/http-api.md).
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    say('431 Request Header Fields Too Large', []);
    return;
  }
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    say('408 Request Timeout', []);
    return;
  }
  const allowed = error.code === 'HPE_INVALID_METHOD' ? allowedOn(pathOf(error)) : [];
  const problem =
    allowed.length > 0
      ? new Problem('method_not_allowed')
      : new Problem('invalid_request', { detail: detailOf('request_malformed') });
  say(
    allowed.length > 0 ? '405 Method Not Allowed' : '400 Bad Request',
    [
      ...(allowed.length > 0 ? [`allow: ${allowed.join(', ')}`] : []),
      'content-type: application/problem+json; charset=utf-8',
      'content-language: en',
    ],
    JSON.stringify(problemDocument(problem, { requestId, language: 'en', docsBaseUrl })),
  );
}

/**
 * The path of a request whose method Node's parser does not know. The path is '' for what is no request at
 * all, such as a TLS handshake.
 */
function pathOf({ rawPacket }: ConnectionError): string {
  const line = rawPacket instanceof Buffer ? rawPacket.subarray(0, 2_048).toString('latin1') : '';
  return /^[A-Za-z][A-Za-z-]{0,31} (\/[^ ?]*)(?:\?[^ ]*)? HTTP\/1\.[01]\r\n/.exec(line)?.[1] ?? '';
}

function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const { code, statusCode, validation, validationContext, message } = error as Partial<FastifyError>;
  if (validation !== undefined) return validationProblem(validation, validationContext);
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new Problem('body_too_large');
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return new Problem('unsupported_media_type');
  // What remains below 500 is Fastify's word on a malformed request (bad JSON, bad URL, wrong
  // content-length).
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new Problem('invalid_request', { extra: { field: 'body' }, detail: malformedBody(message) });
  }
  return new Problem('internal', { detail: detailOf('unexpected'), cause: error });
}

/** The parser's own words say where the JSON breaks. They are English, for whoever wrote the client. */
function malformedBody(message: string | undefined): Translation {
  const { en, zh } = detailOf('body_not_json');
  return { en: message ?? en, zh: message === undefined ? zh : `${zh}(${message})` };
}

function validationProblem(
  validation: NonNullable<FastifyError['validation']>,
  context: string | undefined,
): Problem {
  // Where a field may have several forms, each form says what is wrong. The deepest finding is of the form
  // that was meant.
  const [first] = [...validation].sort((one, other) => depthOf(other) - depthOf(one));
  const params: SchemaParams = first?.params ?? {};
  const missing = params.missingProperty ?? params.additionalProperty;
  const path = [
    ...(first?.instancePath.split('/').slice(1) ?? []),
    ...(missing === undefined ? [] : [missing]),
  ];
  const field = path.map(String).join('.') || (context ?? 'body');
  const detail = detailOf(schemaDetail(first?.keyword), {
    field,
    limit: params.limit ?? '',
    type: params.type ?? '',
  });
  return new Problem('invalid_request', { detail, extra: { field } });
}

interface SchemaParams {
  missingProperty?: string;
  additionalProperty?: string;
  limit?: number;
  type?: string;
}

type SchemaError = NonNullable<FastifyError['validation']>[number];

function depthOf({ instancePath, params }: SchemaError): number {
  const { missingProperty, additionalProperty }: SchemaParams = params;
  const member = missingProperty ?? additionalProperty;
  return instancePath.split('/').length + (member === undefined ? 0 : 1);
}

function schemaDetail(keyword = ''): DetailKey {
  const key = `schema_${keyword}`;
  return Object.hasOwn(DETAILS, key) ? (key as DetailKey) : 'schema_other';
}

function sendProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  problem: Problem,
  options: HttpOptions,
): void {
  const language = languageOf(request.headers['accept-language']);
  const body = problemDocument(problem, {
    requestId: request.id,
    language,
    docsBaseUrl: options.docsBaseUrl ?? '',
  });
  if (problem.retryAfterSeconds !== undefined) {
    reply.header('retry-after', retryAfterOf(problem.retryAfterSeconds));
  }
  tellLanguage(reply, language);
  reply
    .code(body.status)
    .header('x-request-id', request.id)
    .header('content-type', 'application/problem+json; charset=utf-8')
    .serializer((document: unknown) => JSON.stringify(document))
    .send(body);
}
