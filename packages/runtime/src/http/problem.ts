import { PROBLEMS, type ProblemCode, type ProblemDocument } from '@seckill/contracts';

/** Thrown in a handler; the error handler of `http.ts` writes it as application/problem+json. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly extra: Record<string, unknown>;
  /** Seconds for `Retry-After`. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ProblemCode,
    options: {
      detail?: string;
      extra?: Record<string, unknown>;
      retryAfterSeconds?: number;
      cause?: unknown;
    } = {},
  ) {
    super(options.detail ?? PROBLEMS[code].title.en, { cause: options.cause });
    this.code = code;
    this.extra = options.extra ?? {};
    this.retryAfterSeconds = options.retryAfterSeconds ?? (PROBLEMS[code].status === 503 ? 1 : undefined);
  }
}

export function problemDocument(
  problem: Problem,
  context: { requestId: string; acceptLanguage: string | undefined; docsBaseUrl: string },
): ProblemDocument {
  const kind = PROBLEMS[problem.code];
  const isFinal = problem.code === 'sold_out' && problem.extra['final'] === true;
  return {
    type: `${context.docsBaseUrl}/errors#${problem.code}`,
    title: kind.title[languageOf(context.acceptLanguage)],
    status: kind.status,
    detail: problem.message,
    instance: context.requestId,
    code: problem.code,
    retryable: kind.retryable && !isFinal,
    ...problem.extra,
  };
}

/**
 * The first listed of zh and en decides. Quality values are ignored on purpose, because clients list their
 * favourite first.
 */
export function languageOf(acceptLanguage: string | undefined): 'zh' | 'en' {
  const first = acceptLanguage
    ?.toLowerCase()
    .split(',')
    .map((part) => part.trim().slice(0, 2))
    .find((language) => language === 'zh' || language === 'en');
  return first === 'zh' ? 'zh' : 'en';
}
