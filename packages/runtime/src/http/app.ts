import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { Logger } from '../logger.ts';

/** The app that routes are added to. */
export type Http = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

export interface HttpOptions {
  logger: Logger;
  isReady: () => boolean;
  /** The text before `/errors#<code>` in a problem's `type`. */
  docsBaseUrl?: string;
  bodyBytesMax?: number;
  /** Proxies whose `X-Forwarded-For` is believed; none by default. */
  trustProxy?: string;
  /** Headers of every answer, also of those to what is no HTTP. */
  headers?: Record<string, string>;
  /** Told of each answer to what never became a request, and so passes by all hooks. */
  onMalformed?: (answer: { status: number; requestId: string }) => void;
  /** Whether a body that names a member twice is refused. Services among themselves write no such body. */
  refusesRepeatedMembers?: boolean;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route reads its body itself, byte by byte. */
    readsBody?: boolean;
  }
}
