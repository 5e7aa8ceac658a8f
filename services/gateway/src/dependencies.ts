import type { Logger } from '@seckill/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AdmissionOptions } from './limits/admission.ts';
import type { Identifier } from './identity/identity.ts';
import type { Metrics } from './metrics.ts';
import type { OrderClient } from './upstream/order-client.ts';
import type { Reserver } from './upstream/reserver.ts';
import type { SaleMemory } from './memory/sale-memory.ts';
import type { SignatureVerifier } from './identity/signature.ts';
import type { StockClient } from './upstream/stock-client.ts';

/** What the gateway is assembled from. */
export interface Parts {
  logger: Logger;
  isReady: () => boolean;
  docsBaseUrl: string;
  /** Proxies whose `X-Forwarded-For` is believed: addresses, CIDRs; absent: none, the socket's address counts. */
  trustProxy?: string;
  limits: AdmissionOptions;
  /** Requests in flight. */
  requestsMax: number;
  identifier: Identifier;
  signatures: SignatureVerifier;
  /** `PAYMENTS=sandbox`: buyers may pay by a call of their own, without a provider. */
  isSandbox: boolean;
  reserver: Reserver;
  /** Absent without `REDIS_URL`: stock answers everything. */
  memory?: SaleMemory;
  stock: StockClient;
  order: OrderClient;
  metrics: Metrics;
}

export type Authenticate = (request: FastifyRequest, reply?: FastifyReply) => Promise<void>;

/** What routes work with. */
export interface Services extends Parts {
  /** Runs before the body is read: who may not ask is told so first (precedence of contract.md). */
  authenticate: Authenticate;
  authenticateAdmin: Authenticate;
  /** For routes that need no token. */
  admit: Authenticate;
}
