import type { Lifecycle, Logger, Registry, Tracing } from '@seckill/runtime';
import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { Config } from './config.ts';
import type { Contacts } from './contacts/contacts.ts';
import type { SaleEvents } from './events/sale-events.ts';
import type { Identifier } from './identity/identity.ts';
import type { SignatureVerifier } from './identity/signature.ts';
import type { AdmissionDeps } from './limits/admission.ts';
import type { LimitMetrics } from './limits/metrics.ts';
import type { RecentReservations } from './memory/recent-reservations.ts';
import type { SaleMemory } from './memory/sale-memory.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { OutcomeTally } from './sales/outcome-tally.ts';
import type { SaleList } from './sales/sale-list.ts';
import type { SaleReader } from './sales/sale-reader.ts';
import type { OrderClient } from './upstream/order-client.ts';
import type { Reserver } from './upstream/reserver.ts';
import type { StockClient } from './upstream/stock-client.ts';

/** What one gateway process is started with. */
export interface GatewayDeps {
  config: Config;
  logger: Logger;
  lifecycle: Pick<Lifecycle, 'isReady' | 'onStop'>;
  registry: Registry;
}

/** What the public API is assembled from: everything behind its routes. */
export interface ApiDeps {
  logger: Logger;
  isReady: () => boolean;
  docsBaseUrl: string;
  /**
   * Proxies whose `X-Forwarded-For` is believed: addresses, CIDRs. When absent, the address of the socket
   * counts.
   */
  trustProxy?: string;
  /** Origins whose pages may call the API from a browser. */
  allowedOrigins: readonly string[];
  admission: AdmissionDeps;
  /** Requests in flight. */
  requestsMax: number;
  limitMetrics: LimitMetrics;
  identifier: Identifier;
  signatures: SignatureVerifier;
  contacts: Contacts;
  /** `PAYMENTS=sandbox`: buyers may pay by a call of their own, without a provider. */
  isSandbox: boolean;
  /** `CONSOLE=true`: the operators' page is served. */
  hasConsole: boolean;
  reserver: Reserver;
  /** Absent without `REDIS_URL`. Stock answers everything then. */
  memory?: SaleMemory;
  /** What this gateway reserved and has not seen as a row. */
  recent: RecentReservations;
  stock: StockClient;
  order: OrderClient;
  saleReader: SaleReader;
  saleList: SaleList;
  events: SaleEvents;
  tally: OutcomeTally;
  metrics: GatewayMetrics;
  /** Absent: nothing is traced. */
  tracing?: Tracing | undefined;
}

export type Admit = (request: FastifyRequest, reply?: FastifyReply) => Promise<void>;

export interface RowWork<T> {
  orderId: string;
  /** Undefined: an operator changes the order. */
  owner?: string;
  /** Changes the order. Undefined when there is no such row (yet). */
  change: () => Promise<T | undefined>;
}

/** Changes an order as soon as its row is there. @throws Problem `order_not_found`, `order_not_ready` */
export type ChangeRow = <T>(request: FastifyRequest, work: RowWork<T>) => Promise<T>;

/** What routes work with. */
export interface RouteDeps extends ApiDeps {
  /**
   * Runs before the body is read, so whoever may not ask is told so first (the precedence of
   * docs/http-api.md).
   */
  authenticate: onRequestHookHandler;
  authenticateOperator: Admit;
  /** For routes that look at no token. */
  admit: Admit;
  /** For what is read with or without a token. One that is sent must be good, whatever else is wrong. */
  admitReader: onRequestHookHandler;
  changeRow: ChangeRow;
}
