import { PROBLEMS, type ProblemCode } from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import type { TSchema } from 'typebox';
import { exampleComponents, exampleReferences } from './examples.ts';
import {
  BODY_PROBLEMS,
  COMMON_PROBLEMS,
  OPERATIONS,
  OPERATOR_PROBLEMS,
  TOKEN_PROBLEMS,
  type Operation,
} from './operations.ts';
import { namedSchemas, toReference } from './schemas.ts';

type Json = Record<string, unknown>;

/** A route as Fastify registered it. */
export interface Route {
  method: string;
  /** The path, with `:name` for a parameter. */
  url: string;
  schema: { params?: TSchema; querystring?: TSchema; body?: TSchema };
}

/** Collects the routes that are registered from now on. */
export function collectRoutes(app: Http): Route[] {
  const routes: Route[] = [];
  app.addHook('onRoute', ({ method, url, schema = {} }) => {
    if ('hide' in schema && schema.hide) return;
    for (const one of [method].flat()) {
      // Fastify adds a HEAD to every GET.
      if (one !== 'HEAD') routes.push({ method: one, url, schema: schema as Route['schema'] });
    }
  });
  return routes;
}

const HEADERS: Record<string, { description: string; schema: Json; required?: boolean }> = {
  ETag: { description: 'Over everything but `serverTime`.', schema: { type: 'string' } },
  'Idempotent-Replayed': {
    description: '`true` when the key had reserved before.',
    schema: { type: 'string', enum: ['true'] },
  },
  'Retry-After': { description: 'Seconds.', schema: { type: 'integer', minimum: 1, maximum: 2_147_483 } },
  'Idempotency-Key': {
    description: 'Made by the client, and sent again with every repeat of the same request.',
    required: true,
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' },
  },
  'If-Match': {
    description: 'The version that the change depends on.',
    schema: { type: 'string', pattern: '^"[1-9][0-9]{0,14}"$' },
  },
  'If-None-Match': { description: 'The `ETag` that the reader has.', schema: { type: 'string' } },
  'Last-Event-ID': {
    description: 'The `id` of the last event that the reader has.',
    schema: { type: 'string' },
  },
  'webhook-id': {
    description: 'Names the message.',
    required: true,
    schema: { type: 'string', minLength: 1 },
  },
  'webhook-timestamp': {
    description: 'Seconds since 1970, at most five minutes off.',
    required: true,
    schema: { type: 'string', pattern: '^[0-9]{1,12}$' },
  },
  'webhook-signature': {
    description: '`v1,` and the base64 of the HMAC-SHA256; several are separated by spaces.',
    required: true,
    schema: { type: 'string', minLength: 1 },
  },
};

const ERROR_DESCRIPTIONS: Record<number, string> = {
  400: 'The request is malformed.',
  401: 'Nobody is signed in, or the signature is wrong.',
  403: 'The caller may not do this.',
  404: 'There is no such thing.',
  409: 'The state of things does not allow it.',
  410: 'It is over.',
  412: 'The sale has another version.',
  413: 'The body is too large.',
  415: 'The body is of another type.',
  422: 'The key belongs to another request.',
  429: 'Too many requests.',
  500: 'A bug of ours; quote the request id.',
  503: 'Not now; repeat later.',
};

const DESCRIPTION = `Flash sales that sell every unit and never one more.

Unknown fields and parameters are refused. Money is in integer minor units, instants are ISO-8601. Errors are
\`application/problem+json\` (RFC 9457): go by \`code\`, which never changes, and by \`retryable\`.
What a client does with each answer stands in docs/http-api.md.`;

/**
 * The contract as OpenAPI 3.1. Paths, parameters and bodies are those by which the routes validate. What the
 * routes do not say stands in operations.ts.
 * @throws Error for a route that operations.ts does not know.
 */
export function buildDocument(routes: readonly Route[], docsBaseUrl: string): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const operation = OPERATIONS[`${route.method} ${route.url}`];
    if (operation === undefined) throw new Error(`operations.ts does not know ${route.method} ${route.url}`);
    const path = route.url.replace(/:(\w+)/g, '{$1}');
    paths[path] = {
      ...paths[path],
      [route.method.toLowerCase()]: describeCall(route, operation),
    };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Seckill',
      version: '1',
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'This gateway.' }],
    tags: [
      { name: 'Sales', description: 'Sales, their counts and their steering.' },
      { name: 'Reservations', description: 'Taking units.' },
      { name: 'Orders', description: 'What became of a reservation.' },
      { name: 'Payments', description: 'Money that came, and money that goes back.' },
      { name: 'Operations', description: 'For the people who run the service.' },
      { name: 'Health', description: 'For orchestrators.' },
      { name: 'Contract', description: 'This document.' },
    ],
    paths,
    components: {
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: '`sub` is the user. `scope` with `sale:admin` makes an operator.',
        },
      },
      headers: Object.fromEntries(
        ['ETag', 'Idempotent-Replayed', 'Retry-After'].map((name) => [name, HEADERS[name]]),
      ),
      schemas: { ...namedSchemas(), Problem: PROBLEM },
      examples: exampleComponents(docsBaseUrl),
    },
  };
}

const PROBLEM: Json = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'instance', 'code', 'retryable'],
  properties: {
    type: { type: 'string', description: 'Leads to a page about the code.' },
    title: { type: 'string', description: 'In the language of `Accept-Language`.' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'In the language of `Accept-Language`.' },
    instance: { type: 'string', description: 'The request id.' },
    code: { type: 'string', enum: Object.keys(PROBLEMS) },
    retryable: { type: 'boolean', description: 'Whether the same request may succeed later.' },
  },
  additionalProperties: true,
};

function describeCall(route: Route, operation: Operation): Json {
  const { id, tag, summary, description, who, only } = operation;
  const text = [description, only === undefined ? undefined : `Only with \`${only}\`.`]
    .filter(Boolean)
    .join(' ');
  const parameters = [
    ...parametersOf('path', route.schema.params),
    ...parametersOf('query', route.schema.querystring),
    ...(operation.headers ?? []).map((name) => ({ name, in: 'header', required: false, ...HEADERS[name] })),
  ];
  const body = operation.body ?? route.schema.body;
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(text === '' ? {} : { description: text }),
    security:
      who === 'user' || who === 'operator'
        ? [{ token: [] }]
        : who === 'all' && tag === 'Sales'
          ? [{}, { token: [] }]
          : [],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: operation.isBodyOptional !== true,
            content: { 'application/json': { schema: toReference(body) } },
          },
        }),
    responses: { ...answersOf(operation), ...problemsOf(operation, body !== undefined) },
  };
}

function parametersOf(place: 'path' | 'query', schema: TSchema | undefined): Json[] {
  const { properties = {}, required = [] } = (schema ?? {}) as {
    properties?: Record<string, TSchema>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, member]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: toReference(member),
  }));
}

function answersOf({ answers }: Operation): Json {
  return Object.fromEntries(
    Object.entries(answers).map(
      ([status, { description, schema, mediaType = 'application/json', hasCsv = false, headers = [] }]) => [
        status,
        {
          description,
          ...(headers.length === 0
            ? {}
            : {
                headers: Object.fromEntries(
                  headers.map((name) => [name, { $ref: `#/components/headers/${name}` }]),
                ),
              }),
          ...(schema === undefined
            ? {}
            : {
                content: {
                  [mediaType]: { schema: toReference(schema) },
                  ...(hasCsv ? { 'text/csv': { schema: { type: 'string' } } } : {}),
                },
              }),
        },
      ],
    ),
  );
}

/** The errors by status, each with examples that a running system answered. */
function problemsOf(operation: Operation, hasBody: boolean): Json {
  const { id, tag, who, problems, never } = operation;
  if (tag === 'Health') return {};
  const codes = new Set<ProblemCode>([
    ...problems,
    ...COMMON_PROBLEMS,
    ...(who === 'user' || who === 'operator' ? TOKEN_PROBLEMS : []),
    ...(who === 'operator' ? OPERATOR_PROBLEMS : []),
    ...(hasBody && who !== 'provider' ? BODY_PROBLEMS : []),
  ]);
  if (never !== undefined) codes.delete(never);
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of codes) {
    const { status } = PROBLEMS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, some]) => [
      status,
      {
        description: ERROR_DESCRIPTIONS[status] ?? '',
        ...(status === 503 || status === 429
          ? { headers: { 'Retry-After': { $ref: '#/components/headers/Retry-After' } } }
          : {}),
        content: {
          'application/problem+json': {
            schema: {
              allOf: [
                { $ref: '#/components/schemas/Problem' },
                { type: 'object', properties: { code: { type: 'string', enum: some } } },
              ],
            },
            examples: Object.assign({}, ...some.map((code) => exampleReferences(code, id))) as Json,
          },
        },
      },
    ]),
  );
}
