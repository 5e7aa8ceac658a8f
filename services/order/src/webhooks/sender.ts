import { Agent } from 'undici';
import { assertPublicHost, lookupPublic } from './addresses.ts';
import { sign, type Message } from './signing.ts';

/** Standard Webhooks asks receivers to answer within 15 s; one that works first should answer first. */
export const ATTEMPT_MS = 10_000;
/** Nobody reads what a receiver says; this much is taken so that the connection can be used again. */
const ANSWER_BYTES_MAX = 65_536;
const CONNECT_MS = 5_000;
/** A receiver may ask for a longer pause, but not for one that outlives the three days. */
const RETRY_AFTER_SECONDS_MAX = 86_400;

export interface Attempt extends Message {
  url: string;
  /** Secrets, the newest first. */
  secrets: readonly Buffer[];
}

export interface Outcome {
  isDelivered: boolean;
  /** The receiver answered 410: it wants nothing any more. */
  isGone: boolean;
  status?: number;
  error?: string;
  /** What the receiver asked for, in seconds. */
  retryAfterSeconds?: number;
}

export interface Sender {
  /** Never throws but for the signal's reason. */
  send(attempt: Attempt, signal: AbortSignal): Promise<Outcome>;
  close(): Promise<void>;
}

/**
 * @param isPrivateAllowed `WEBHOOK_ALLOW_PRIVATE`: addresses that are not on the internet may be called.
 * @param connectionsMax connections to one receiver.
 */
export function createSender(isPrivateAllowed: boolean, connectionsMax: number): Sender {
  const agent = new Agent({
    connections: connectionsMax,
    pipelining: 1,
    connect: { timeout: CONNECT_MS, ...(isPrivateAllowed ? {} : { lookup: lookupPublic }) },
    headersTimeout: ATTEMPT_MS,
    bodyTimeout: ATTEMPT_MS,
    maxResponseSize: ANSWER_BYTES_MAX,
    // undici follows no redirect by itself, so a redirect cannot lead to an address that was not judged.
  });

  return {
    async send({ url, secrets, ...message }, signal) {
      const deadline = AbortSignal.timeout(ATTEMPT_MS);
      try {
        const target = new URL(url);
        if (!isPrivateAllowed) assertPublicHost(target);
        const { statusCode, headers, body } = await agent.request({
          origin: target.origin,
          path: `${target.pathname}${target.search}`,
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'user-agent': 'seckill-webhooks',
            'webhook-id': message.id,
            'webhook-timestamp': String(message.at),
            'webhook-signature': sign(message, secrets),
          },
          body: message.body,
          signal: AbortSignal.any([signal, deadline]),
        });
        // The status has decided. A body that is too long or never ends only costs its connection.
        await body.dump({ limit: ANSWER_BYTES_MAX, signal: deadline }).catch(() => undefined);
        const retryAfterSeconds = readRetryAfter(headers['retry-after']);
        return {
          isDelivered: statusCode >= 200 && statusCode < 300,
          isGone: statusCode === 410,
          status: statusCode,
          ...(statusCode >= 300 && statusCode < 400 ? { error: 'redirects are not followed' } : {}),
          ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
        };
      } catch (error) {
        signal.throwIfAborted();
        return { isDelivered: false, isGone: false, error: describe(error, deadline) };
      }
    },
    close: () => agent.destroy(),
  };
}

function readRetryAfter(header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string' || !/^\d{1,9}$/.test(header)) return undefined;
  return Math.min(Number(header), RETRY_AFTER_SECONDS_MAX);
}

/** Tells an error in our words, because its own may name addresses within the network. */
function describe(error: unknown, deadline: AbortSignal): string {
  if (deadline.aborted) return `no answer within ${ATTEMPT_MS / 1_000} s`;
  const { code } = error as { code?: unknown };
  if (code === 'SECKILL_PRIVATE_ADDRESS') return 'the host has an address that is not public';
  return typeof code === 'string' ? `no connection: ${code.slice(0, 64)}` : 'no connection';
}
