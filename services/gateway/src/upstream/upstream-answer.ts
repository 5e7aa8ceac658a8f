import type { UpstreamAnswer } from '@seckill/runtime';
import { PROBLEMS, type ProblemCode, type ProblemDocument } from '@seckill/contracts';
import { Problem } from '@seckill/runtime';

/**
 * Members of a problem that are not specific to its code; the gateway writes them anew for its own caller.
 * `retryable` is passed on, because the service may know better than the list of codes.
 * `away` names an engine, which is no business of a buyer.
 */
const COMMON = new Set(['type', 'title', 'status', 'detail', 'instance', 'code', 'away']);

/**
 * Reads the body of a 2xx. A problem of ours is passed on to the client under the same code. A 401 or 403
 * between services is our own misconfiguration, never the buyer's fault, and becomes `internal`. A 503
 * without a code is a process that leaves, and becomes `overloaded`.
 */
export function expectBody(answer: UpstreamAnswer): unknown {
  if (answer.status < 300) return answer.body;
  const document = answer.body as Partial<ProblemDocument> | undefined;
  const code = document?.code;
  // A process that is closing refuses a request before anything of it is looked at, and has no code for it.
  if (answer.status === 503 && code === undefined) throw new Problem('overloaded');
  if (answer.status === 401 || answer.status === 403 || code === undefined || !isProblemCode(code)) {
    throw new Error(`unexpected answer ${answer.status} between services (${code ?? 'no code'})`);
  }
  const extra = Object.fromEntries(Object.entries(document ?? {}).filter(([name]) => !COMMON.has(name)));
  const detail = document?.detail;
  // The service answered in the language of our caller already, which every call carries.
  const { retryAfterSeconds } = answer;
  throw new Problem(code, {
    extra,
    ...(detail === undefined ? {} : { detail: { en: detail, zh: detail } }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}

/** The service is of a release that does not have the route yet: an upgrade goes on. */
export function isMissingRoute({ status, body }: UpstreamAnswer): boolean {
  return status === 404 && (body as Partial<ProblemDocument> | undefined)?.code === 'not_found';
}

function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(PROBLEMS, code);
}
