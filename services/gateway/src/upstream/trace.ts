import { TRACEPARENT } from '@seckill/contracts';
import { languageOf, type Language } from '@seckill/runtime';
import type { FastifyRequest } from 'fastify';

const traceparentPattern = new RegExp(TRACEPARENT);

/** What the calls of one request have in common: what ties them together in logs, and the language. */
export interface Trace {
  requestId: string;
  language: Language;
  /**
   * Our own span, while the request is traced. Otherwise the client's own trace context, if it is well
   * formed: without a tracer nobody would look for one that was made up.
   */
  traceparent?: string;
}

export function traceOf(request: Pick<FastifyRequest, 'id' | 'headers' | 'span'>): Trace {
  const given = request.span?.traceparent ?? request.headers['traceparent'];
  const trace: Trace = { requestId: request.id, language: languageOf(request.headers['accept-language']) };
  if (typeof given === 'string' && traceparentPattern.test(given)) trace.traceparent = given;
  return trace;
}

export function traceHeaders({ requestId, language, traceparent }: Trace): Record<string, string> {
  return {
    'x-request-id': requestId,
    'accept-language': language,
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}
