import { PROBLEMS, type ProblemCode, type ProblemDocument, type Translation } from '@seckill/contracts';
import type { Language } from './language.ts';

/** Thrown in a handler; the error handler of `http/http.ts` writes it as application/problem+json. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly detail: Translation;
  readonly extra: Record<string, unknown>;
  /** Seconds for `Retry-After`. */
  readonly retryAfterSeconds: number | undefined;

  /** @param options.detail what the title of the code does not say, made by `detailOf`; absent: the title */
  constructor(
    code: ProblemCode,
    options: {
      detail?: Translation;
      extra?: Record<string, unknown>;
      retryAfterSeconds?: number;
      cause?: unknown;
    } = {},
  ) {
    const detail = options.detail ?? PROBLEMS[code].title;
    super(detail.en, { cause: options.cause });
    this.code = code;
    this.detail = detail;
    this.extra = options.extra ?? {};
    this.retryAfterSeconds = options.retryAfterSeconds ?? (PROBLEMS[code].status === 503 ? 1 : undefined);
  }
}

/** The body of an answer. `retryAfterSeconds` is no part of it. */
export function problemDocument(
  problem: Problem,
  context: { requestId: string; language: Language; docsBaseUrl: string },
): ProblemDocument {
  const kind = PROBLEMS[problem.code];
  return {
    type: `${context.docsBaseUrl}/errors#${problem.code}`,
    title: kind.title[context.language],
    status: kind.status,
    detail: problem.detail[context.language],
    instance: context.requestId,
    code: problem.code,
    retryable: kind.retryable,
    // An answer that knows better says whether a repeat can succeed.
    ...problem.extra,
  };
}

/**
 * 2^31 - 1 ms, 24.8 days. Clients hold `Retry-After` in 32 bits and wait with timers that count
 * milliseconds. `setTimeout` fires at once for more, and such a client would ask in a tight loop. A client
 * that waits this long asks once more.
 */
const RETRY_AFTER_SECONDS_MAX = 2_147_483;

/** The value of `Retry-After`: whole seconds, within what clients can hold. */
export function retryAfterOf(seconds: number): string {
  return String(Math.min(Math.ceil(seconds), RETRY_AFTER_SECONDS_MAX));
}
