import {
  classifyPostgresError,
  createHttp,
  isKafkaAway,
  observeRequests,
  Problem,
  requireCaller,
  traceRequests,
  type Http,
  type Logger,
  type RequestSeconds,
  type Tracing,
} from '@seckill/runtime';
import type { FastifyRequest } from 'fastify';
import type { LedgerReader } from './audit/ledger-reading.ts';
import type { DeadLetters } from './dead-letters/dead-letters.ts';
import type { OperatorOrders } from './orders/operator-orders.ts';
import type { Orders } from './orders/orders.ts';
import type { Notices } from './payments/notices.ts';
import type { Refunds } from './payments/refunds.ts';
import type { Pickups } from './pickups/pickups.ts';
import type { Recovery } from './recovery/recovery.ts';
import type { Reports } from './report/reports.ts';
import { afterSaleRoutes } from './routes/after-sale.ts';
import { deadLettersRoutes } from './routes/dead-letters.ts';
import { internalSalesRoutes } from './routes/internal-sales.ts';
import { operatorOrdersRoutes } from './routes/operator-orders.ts';
import { ordersRoutes } from './routes/orders.ts';
import { paymentsRoutes } from './routes/payments.ts';
import { salesRoutes } from './routes/sales.ts';
import type { SaleList } from './sales/sale-list.ts';
import { webhooksRoutes, type WebhookDeps } from './routes/webhooks.ts';
import type { Sales } from './sales/sales.ts';
import type { Standings } from './standing/standings.ts';

export interface Api {
  sales: Sales;
  saleList: SaleList;
  standings: Standings;
  recovery: Recovery;
  ledger: LedgerReader;
  orders: Orders;
  operatorOrders: OperatorOrders;
  notices: Notices;
  refunds: Refunds;
  deadLetters: DeadLetters;
  pickups: Pickups;
  reports: Reports;
  webhooks: WebhookDeps;
  /** `PAYMENTS=sandbox`: buyers pay without a provider. */
  isSandbox: boolean;
}

export interface AppDeps {
  logger: Logger;
  isReady: () => boolean;
  requestSeconds: RequestSeconds;
  tracing?: Tracing | undefined;
  tokens: { gateway: string; stock: string };
  /** Absent where the `http` role does not run: then only health is answered. */
  api?: Api;
}

/** Assembles and never listens. */
export function createApp({ logger, isReady, requestSeconds, tracing, tokens, api }: AppDeps): Http {
  const app = createHttp({ logger, isReady });
  traceRequests(app, tracing, { isEdge: false });
  observeRequests(app, requestSeconds);
  if (api === undefined) return app;
  const { sales, recovery, ledger, orders, operatorOrders, notices, refunds, webhooks, isSandbox } = api;

  app.register(async (scope) => {
    scope.addHook('onRequest', requireCaller(tokens, ['gateway']));
    scope.setErrorHandler(translate);
    salesRoutes(scope, api);
    ordersRoutes(scope, orders, isSandbox);
    operatorOrdersRoutes(scope, operatorOrders);
    paymentsRoutes(scope, { notices, refunds });
    afterSaleRoutes(scope, api);
    deadLettersRoutes(scope, api.deadLetters);
    webhooksRoutes(scope, webhooks);
  });
  app.register(async (scope) => {
    scope.addHook('onRequest', requireCaller(tokens, ['stock']));
    scope.setErrorHandler(translate);
    internalSalesRoutes(scope, { sales, recovery, ledger });
  });
  return app;
}

/**
 * A Postgres or a Kafka that is away is the world failing and not a bug, and the caller may repeat. A write
 * may have been committed before the connection was lost, so its outcome is unknown (D14). The outer handler
 * writes what is thrown here.
 */
function translate(error: unknown, request: FastifyRequest): never {
  const isPostgresAway = classifyPostgresError(error) === 'transient';
  if (!isPostgresAway && !isKafkaAway(error)) throw error;
  request.log.warn({ err: error }, isPostgresAway ? 'postgres is away' : 'kafka is away');
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  throw new Problem(isRead ? 'overloaded' : 'outcome_unknown', {
    cause: error,
    ...(isPostgresAway ? { extra: { away: 'postgres' } } : {}),
  });
}
