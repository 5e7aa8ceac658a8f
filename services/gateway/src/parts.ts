import type { Logger } from '@seckill/runtime';
import type { FastifyRequest } from 'fastify';
import type { Identifier, Identity } from './identity.ts';
import type { Metrics } from './metrics.ts';
import type { OrderClient } from './order-client.ts';
import type { SignatureVerifier } from './signature.ts';
import type { StockClient } from './stock-client.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by `authenticate`; reading it on a route without that hook is our bug. */
    identity: Identity;
  }
}

/** What the gateway is assembled from. */
export interface Parts {
  logger: Logger;
  isReady: () => boolean;
  docsBaseUrl: string;
  identifier: Identifier;
  signatures: SignatureVerifier;
  /** `PAYMENTS=sandbox`: buyers may pay by a call of their own, without a provider. */
  isSandbox: boolean;
  stock: StockClient;
  order: OrderClient;
  metrics: Metrics;
}

export type Authenticate = (request: FastifyRequest) => Promise<void>;

/** What routes work with. */
export interface Services extends Parts {
  /** Runs before the body is read: who may not ask is told so first (precedence of contract.md). */
  authenticate: Authenticate;
  authenticateAdmin: Authenticate;
}
