import { DETAILS, detailOf, type DetailKey, type Translation } from '@seckill/contracts';
import type { FastifyError } from 'fastify';
import { Problem } from './problem.ts';

/** An error as a problem: what a handler threw, what a schema found, what Fastify says of a request. */
export function toProblem(error: unknown): Problem {
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

/**
 * The parser's own words say where the JSON breaks. These words are English, for whoever wrote the client.
 */
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
