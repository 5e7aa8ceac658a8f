import { createHttp, Problem, type Http, type Logger } from '@seckill/runtime';
import type { FastifyRequest } from 'fastify';
import type { Identifier, Identity } from './identity.ts';
import type { Metrics } from './metrics.ts';
import type { OrderClient } from './order-client.ts';
import { orderRoutes } from './routes/orders.ts';
import { paymentRoutes } from './routes/payments.ts';
import { reservationRoutes } from './routes/reservations.ts';
import { saleRoutes } from './routes/sales.ts';
import type { SignatureVerifier } from './signature.ts';
import type { StockClient } from './stock-client.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by `authenticate`; reading it on a route without that hook is our bug. */
    identity: Identity;
  }
}

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

type Authenticate = (request: FastifyRequest) => Promise<void>;

export interface Services extends Parts {
  /** Runs before the body is read: who may not ask is told so first (precedence of contract.md). */
  authenticate: Authenticate;
  authenticateAdmin: Authenticate;
}

/** Assembles the public API; never listens. */
export function buildApp(parts: Parts): Http {
  const app = createHttp(parts);
  // Fastify wants the shape declared once; the hook below puts the real value in.
  app.decorateRequest('identity', null as unknown as Identity);

  const authenticate: Authenticate = async (request) => {
    request.identity = await parts.identifier.identify(request.headers.authorization);
  };
  const authenticateAdmin: Authenticate = async (request) => {
    await authenticate(request);
    if (!request.identity.isAdmin) {
      throw new Problem('forbidden', { detail: 'the scope sale:admin is required' });
    }
  };
  const services: Services = { ...parts, authenticate, authenticateAdmin };

  logAndMeasure(app, parts.metrics);
  saleRoutes(app, services);
  reservationRoutes(app, services);
  orderRoutes(app, services);
  paymentRoutes(app, services);
  return app;
}

function logAndMeasure(app: Http, metrics: Metrics): void {
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown';
    const { statusCode: status, elapsedTime: ms } = reply;
    metrics.requestSeconds.observe({ method: request.method, route, status: String(status) }, ms / 1_000);
    const line = { method: request.method, route, status, ms: Math.round(ms) };
    // A crowd that hears "sold out" must not become a flood of log lines.
    if (status >= 500 || status < 400) request.log.info(line, 'request');
    else request.log.debug(line, 'request');
  });
}
