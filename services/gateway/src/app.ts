import { detailOf } from '@seckill/contracts';
import { createHttp, observeRequests, Problem, type Http } from '@seckill/runtime';
import { compressAnswers } from './compression.ts';
import { createAdmission } from './limits/admission.ts';
import type { Identity } from './identity/identity.ts';
import { allowOrigins } from './cors.ts';
import type { ApiDeps, Authenticate, RouteDeps } from './deps.ts';
import { logRequests } from './request-log.ts';
import { collectRoutes } from './openapi/document.ts';
import { auditRoute } from './routes/audit.ts';
import { contractRoutes } from './routes/contract.ts';
import { operatorOrderRoutes } from './routes/operators/orders.ts';
import { orderRoutes } from './routes/orders.ts';
import { paymentRoutes } from './routes/payments.ts';
import { reservationRoutes } from './routes/reservations.ts';
import { saleEventsRoute } from './routes/sale-events.ts';
import { saleRoutes } from './routes/sales.ts';
import { webhookRoutes } from './routes/webhooks.ts';
import { refuseUnknownInput } from './routes/strict-input.ts';
import { shedLoad } from './limits/shedding.ts';

/** Assembles the public API; never listens. */
export async function createApp(deps: ApiDeps): Promise<Http> {
  const app = createHttp(deps);
  const routes = collectRoutes(app);
  // Fastify wants the shape declared once; the hook below puts the real value in.
  app.decorateRequest('identity', null as unknown as Identity);

  answerSafely(app);
  compressAnswers(app);
  logRequests(app);
  observeRequests(app, deps.metrics.requestSeconds);
  refuseUnknownInput(app);
  const admission = await createAdmission(app, deps.admission);
  const admit: Authenticate = (request, reply) => admission.admitAddress(request, reply);
  // Before load is shed: a page could not read that it is to come back later.
  await allowOrigins(app, deps.allowedOrigins, admit);
  await shedLoad(app, { requestsMax: deps.requestsMax, metrics: deps.limitMetrics });
  // Guessing routes costs as much as asking for them.
  app.addHook('onRequest', async (request, reply) => {
    if (request.is404) await admit(request, reply);
  });
  const authenticate: Authenticate = async (request, reply) => {
    try {
      request.identity = await deps.identifier.identify(request.headers.authorization);
    } catch (error) {
      // Nobody is signed in here, so only the address can bound a flood of bad tokens.
      await admit(request, reply);
      throw error;
    }
    // The headers tell of the user, whose limit is the narrower one.
    await admission.admitUser(request, reply);
    await admission.admitAddress(request);
  };
  const authenticateAdmin: Authenticate = async (request, reply) => {
    await authenticate(request, reply);
    if (!request.identity.isAdmin) {
      throw new Problem('forbidden', { detail: detailOf('scope_missing', { scope: 'sale:admin' }) });
    }
  };
  const routeDeps: RouteDeps = { ...deps, authenticate, authenticateAdmin, admit };

  saleRoutes(app, routeDeps);
  saleEventsRoute(app, routeDeps);
  auditRoute(app, routeDeps);
  reservationRoutes(app, routeDeps);
  orderRoutes(app, routeDeps);
  operatorOrderRoutes(app, routeDeps);
  paymentRoutes(app, routeDeps);
  webhookRoutes(app, routeDeps);
  // As a plugin, because the plugins before have registered all of their routes by then.
  await app.register((scope) => contractRoutes(scope, routeDeps, routes));
  return app;
}

/**
 * An API answers programs: a browser that is led here must not guess a type, run, frame or leak anything. TLS
 * and HSTS are the ingress' business.
 */
function answerSafely(app: Http): void {
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers({
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
    });
  });
}
