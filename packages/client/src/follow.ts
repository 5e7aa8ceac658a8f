/**
 * Follows the table "What a client does" of docs/http-api.md: one request, repeated with the same key until
 * its answer is definite, the deadline comes, or the caller's signal ends it.
 */
import { attempt, readFailure, readObject } from './attempt.ts';
import type { AnyFailure } from './results.ts';
import type { ServerClock } from './server-clock.ts';
import type { CancelSignal, Transport, TransportAnswer, TransportRequest } from './transport.ts';

/** A try with less time than this would only be lost. */
const TRY_MS = 250;
/** Where the answer names no `Retry-After`. */
const UNKNOWN_PAUSE_MS = 2_000;
/**
 * A request without an answer acts within this time after it was sent, or never (docs/recovery.md,
 * "Deadlines"). A repeat that is answered earlier may be overtaken by it.
 */
const ACTS_WITHIN_MS = 5_000;
const PAUSE_MS = 1_000;
/** Phones ask before the opening when their clock is not exact. */
const OPENING_PAUSE_MS = 200;
/** The longest that a timer holds. */
const TIMER_MAX_MS = 2_147_483_647;

export interface CallOptions {
  /** ms after which the call ends with what is known; default: the client's. */
  deadlineMs?: number;
  signal?: CancelSignal;
  /** Told before each wait why the client waits: "sold out for now", or "it opens in a minute". */
  onWait?: (failure: AnyFailure, pauseMs: number) => void;
}

export interface Call extends Pick<TransportRequest, 'method' | 'headers' | 'body'> {
  path: string;
}

export interface Connection {
  transport: Transport;
  clock: ServerClock;
  deadlineMs: number;
  timeoutMs: number;
  /**
   * Adds the base URL and the token.
   * @param refused the `authorization` that was refused. @throws Error when there is no other
   */
  prepare(call: Call, timeoutMs: number, refused: string | undefined): Promise<TransportRequest>;
}

/** `value` is undefined where nothing changed (304). */
export type Followed = { ok: true; value: unknown; answer: TransportAnswer } | AnyFailure;

/** Lengthens a wait by up to a half, so that clients that failed together do not come back together. */
export const withJitter = (ms: number): number => ms * (1 + Math.random() / 2);

export const monotonicNow = (): number =>
  typeof performance === 'undefined' ? Date.now() : performance.now();

/** @returns whether the whole time has passed. If not, the signal has ended the wait. */
export function sleep(ms: number, signal?: CancelSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve(signal?.aborted !== true);
    };
    const timer = setTimeout(end, Math.min(ms, TIMER_MAX_MS));
    signal?.addEventListener('abort', end);
    if (signal?.aborted === true) end();
  });
}

function retryAfterMs(answer: TransportAnswer | undefined): number | undefined {
  const seconds = Number(answer?.header('retry-after') ?? Number.NaN);
  // An absent header, or one that is no number of seconds, would make a tight loop.
  return seconds > 0 ? seconds * 1_000 : undefined;
}

/** @returns ms until the next try; undefined where the answer stands. */
function pauseAfter(
  failure: AnyFailure,
  answer: TransportAnswer | undefined,
  { method }: Call,
  clock: ServerClock,
): number | undefined {
  const { code, retryable, opensAt = '' } = failure;
  // A read that fails for a bug fails again. Nobody knows what a write did that failed so, and a repeat
  // tells.
  if (!retryable && (code !== 'internal' || method === 'GET')) return undefined;
  const untilOpen = Date.parse(opensAt) - clock.now();
  if (code === 'sale_not_open' && clock.isKnown() && untilOpen < TIMER_MAX_MS) {
    // This instant is more exact than `Retry-After`, which counts in seconds.
    return Math.max(untilOpen, OPENING_PAUSE_MS) + withJitter(OPENING_PAUSE_MS);
  }
  const isUnknown = code === 'outcome_unknown' || code === 'internal';
  return withJitter(retryAfterMs(answer) ?? (isUnknown ? UNKNOWN_PAUSE_MS : PAUSE_MS));
}

/** Learns the server's clock from an answer; `date` is cut to its second. */
function learn(clock: ServerClock, answer: TransportAnswer, value: unknown, tookMs: number): void {
  const at = Date.now() - tookMs / 2;
  const serverTime = Date.parse(String((value as { serverTime?: unknown } | undefined)?.serverTime));
  const date = Date.parse(answer.header('date') ?? '');
  if (serverTime > 0) clock.learn(serverTime, tookMs / 2, at);
  else if (date > 0) clock.learn(date + 500, 500 + tookMs / 2, at);
}

/**
 * Tells whether a call is in doubt after this failure. Failures that are not definite came before the key was
 * looked at, or instead of that.
 */
function isInDoubt(before: boolean, { code, status = 0, type }: AnyFailure, { method }: Call): boolean {
  if (method === 'GET') return false;
  if (code === 'outcome_unknown' || code === 'internal') return true;
  const isDefinite = type !== undefined && status < 500 && status !== 401 && status !== 429;
  return before && !isDefinite;
}

export async function follow(
  call: Call,
  connection: Connection,
  { deadlineMs = connection.deadlineMs, signal, onWait }: CallOptions,
): Promise<Followed> {
  const { transport, clock } = connection;
  const endsAt = monotonicNow() + deadlineMs;
  const left = (): number => endsAt - monotonicNow();
  const isAborted = (): boolean => signal?.aborted === true;
  let inDoubt = false;
  let mayActUntil = Number.NEGATIVE_INFINITY;
  /** The 401 before this try, and the token that it refused. */
  let refusal: AnyFailure | undefined;
  let refused: string | undefined;
  while (!isAborted()) {
    const timeoutMs = Math.max(1, Math.min(connection.timeoutMs, left()));
    const startedAt = monotonicNow();
    const prepare = (): Promise<TransportRequest> => connection.prepare(call, timeoutMs, refused);
    const tried = await attempt(transport, prepare, timeoutMs, signal);
    const { answer, sent } = tried;
    if (answer !== undefined) {
      const value = answer.status < 300 ? readObject(answer.text) : undefined;
      learn(clock, answer, value, monotonicNow() - startedAt);
      if (value !== undefined || answer.status === 304) return { ok: true, value, answer };
    }
    const failure = readFailure(tried);
    // A request that was not sent leaves the doubt as it was.
    if (sent !== undefined) inDoubt = isInDoubt(inDoubt, failure, call);
    if (answer === undefined && inDoubt) mayActUntil = startedAt + ACTS_WITHIN_MS;
    if (isAborted()) break;
    if (refusal !== undefined && sent === undefined) return { ...refusal, inDoubt };
    const isFirstRefusal = refusal === undefined && failure.code === 'unauthenticated';
    refusal = failure.code === 'unauthenticated' ? failure : undefined;
    refused = isFirstRefusal ? sent?.headers['authorization'] : undefined;
    // A token may end between two tries.
    if (refused !== undefined && left() > TRY_MS) continue;
    const wanted = pauseAfter(failure, answer, call, clock);
    // A client that heard nothing waits until the request can act no more, so that the next answer is final.
    const pause = wanted !== undefined && inDoubt ? Math.max(wanted, mayActUntil - monotonicNow()) : wanted;
    if (pause === undefined) return { ...failure, inDoubt };
    // "Surely nothing taken" would be untrue of the earlier try.
    const last: AnyFailure = inDoubt
      ? {
          ...failure,
          code: failure.code === 'internal' ? 'internal' : 'outcome_unknown',
          retryable: true,
          inDoubt,
        }
      : failure;
    if (left() - pause < TRY_MS) return last;
    onWait?.(last, pause);
    await sleep(pause, signal);
  }
  return { ok: false, code: 'aborted', retryable: true, inDoubt };
}
