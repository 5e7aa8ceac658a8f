/** One request, and what came of it. */
import type { AnyFailure } from './results.ts';
import type { CancelSignal, Transport, TransportAnswer, TransportRequest } from './transport.ts';

export interface Attempt {
  answer?: TransportAnswer;
  /** Why there is no answer. */
  cause?: unknown;
  /** What the transport was given. If nothing, surely nothing was done. */
  sent?: TransportRequest | undefined;
}

/** Ends after the request's time, or with the caller's signal, even where the transport heeds neither. */
export function attempt(
  transport: Transport,
  prepare: () => Promise<TransportRequest>,
  timeoutMs: number,
  signal: CancelSignal | undefined,
): Promise<Attempt> {
  return new Promise((resolve) => {
    const controller = typeof AbortController === 'undefined' ? undefined : new AbortController();
    const state: { hasEnded: boolean; sent?: TransportRequest } = { hasEnded: false };
    const end = (result: Attempt): void => {
      state.hasEnded = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
      resolve({ ...result, sent: state.sent });
    };
    const stop = (): void => {
      end({ cause: signal?.aborted === true ? 'aborted' : `no answer within ${timeoutMs} ms` });
      controller?.abort();
    };
    const timer = setTimeout(stop, timeoutMs);
    signal?.addEventListener('abort', stop);
    void (async () => {
      try {
        const request = await prepare();
        // A token that came late must not send what nobody waits for: the caller may have heard "no" since.
        if (state.hasEnded) return;
        state.sent = request;
        end({ answer: await transport(controller ? { ...request, signal: controller.signal } : request) });
      } catch (cause) {
        end({ cause });
      }
    })();
  });
}

/** @returns undefined where the text is no JSON object: a proxy's page, or half an answer. */
export function readObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** What a rejection says. A client that cannot read an answer does not know what was done. */
export function readFailure({ answer, cause }: Attempt): AnyFailure {
  const failure = (code: AnyFailure['code'], retryable: boolean): AnyFailure => ({
    ok: false,
    code,
    retryable,
    inDoubt: false,
    ...(answer === undefined ? { cause } : { status: answer.status }),
  });
  if (answer === undefined) return failure('outcome_unknown', true);
  const problem = readObject(answer.text);
  if (typeof problem?.['code'] === 'string' && answer.status >= 400) {
    return { ...(problem as unknown as AnyFailure), ok: false, inDoubt: false };
  }
  if (answer.status === 429) return failure('rate_limited', true);
  // 408: the request came too slowly and was not carried out. A new connection may be faster.
  if (answer.status === 408) return failure('unexpected_answer', true);
  return answer.status >= 400 && answer.status < 500
    ? failure('unexpected_answer', false)
    : failure('outcome_unknown', true);
}
