import { TRACEPARENT } from '@seckill/contracts';
import type { FastifyRequest } from 'fastify';

const traceparentPattern = new RegExp(TRACEPARENT);

/** What ties the calls of one request together, in logs and in a tracing system. */
export interface Trace {
  requestId: string;
  /**
   * The client's own trace context, if it is well formed. None is made up here: without a tracer nobody would
   * look for it.
   */
  traceparent?: string;
}

export function traceOf(request: Pick<FastifyRequest, 'id' | 'headers'>): Trace {
  const given = request.headers['traceparent'];
  return typeof given === 'string' && traceparentPattern.test(given)
    ? { requestId: request.id, traceparent: given }
    : { requestId: request.id };
}

export function traceHeaders({ requestId, traceparent }: Trace): Record<string, string> {
  return { 'x-request-id': requestId, ...(traceparent === undefined ? {} : { traceparent }) };
}
