import { Pool } from 'undici';
import { Cancellation } from '../cancellation.ts';

/**
 * Why a call has no answer. `unreachable`: surely not sent, nothing happened. `unknown`: sent, and the answer
 * was lost or late, so it may have happened (D14).
 */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
  readonly code: 'SECKILL_UPSTREAM_UNREACHABLE' | 'SECKILL_UPSTREAM_UNKNOWN';
  constructor(kind: 'unreachable' | 'unknown', message: string, cause: unknown) {
    super(message, { cause });
    this.code = kind === 'unreachable' ? 'SECKILL_UPSTREAM_UNREACHABLE' : 'SECKILL_UPSTREAM_UNKNOWN';
  }
}

export interface UpstreamAnswer {
  status: number;
  body: unknown;
  /** What the header Retry-After says. */
  retryAfterSeconds?: number;
}

export interface UpstreamCall {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  /** JSON, or bytes that are sent as they are. */
  body?: unknown;
  headers?: Record<string, string>;
  timeoutMs?: number;
  /** Ends the call, in place of the time-out. */
  cancellation?: Cancellation;
}

export interface UpstreamOptions {
  url: string;
  /** Our own credential, sent as a bearer token. */
  token: string;
  connections: number;
  timeoutMs: number;
}

const CONNECT_ERRORS = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT']);

/** A bounded HTTP client to one of our own services. JSON both ways; no retry of its own. */
export class Upstream {
  readonly #pool: Pool;
  readonly #options: UpstreamOptions;

  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.#pool = new Pool(options.url, {
      connections: options.connections,
      // A connection carries one request at a time, so an answer that hangs holds up nobody behind it.
      pipelining: 1,
      connect: { timeout: 1_000 },
      // undici's own default is 300 s.
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
    });
  }

  /** @throws UpstreamError when there is no answer; any HTTP status is an answer. */
  async call(call: UpstreamCall): Promise<UpstreamAnswer> {
    const timeoutMs = call.timeoutMs ?? this.#options.timeoutMs;
    const cancellation = call.cancellation ?? new Cancellation();
    // This bounds the whole call, including the wait for a free connection.
    const late =
      call.cancellation === undefined
        ? setTimeout(() => {
            cancellation.abort();
          }, timeoutMs)
        : undefined;
    try {
      const response = await this.#pool.request({
        method: call.method,
        path: call.path,
        headers: {
          authorization: `Bearer ${this.#options.token}`,
          ...(call.body === undefined ? {} : { 'content-type': contentTypeOf(call.body) }),
          ...call.headers,
        },
        body: toPayload(call.body),
        signal: cancellation,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      });
      const text = await response.body.text();
      const retryAfterSeconds = Number(response.headers['retry-after'] ?? Number.NaN);
      return {
        status: response.statusCode,
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
        ...(retryAfterSeconds > 0 ? { retryAfterSeconds } : {}),
      };
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      const kind = CONNECT_ERRORS.has(code) ? 'unreachable' : 'unknown';
      throw new UpstreamError(kind, `${call.method} ${call.path.split('?', 1)[0] ?? ''}: no answer`, error);
    } finally {
      clearTimeout(late);
    }
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }
}

const contentTypeOf = (body: unknown) =>
  Buffer.isBuffer(body) ? 'application/octet-stream' : 'application/json';

function toPayload(body: unknown): Buffer | string | null {
  if (body === undefined) return null;
  return Buffer.isBuffer(body) ? body : JSON.stringify(body);
}
