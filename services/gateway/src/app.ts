import { createHttp, Problem, type Http } from '@seckill/runtime';
import { createAdmission } from './admission.ts';
import type { Identity } from './identity.ts';
import type { Metrics } from './metrics.ts';
import type { Authenticate, Parts, Services } from './parts.ts';
import { auditRoute } from './routes/audit.ts';
import { orderRoutes } from './routes/orders.ts';
import { paymentRoutes } from './routes/payments.ts';
import { reservationRoutes } from './routes/reservations.ts';
import { saleRoutes } from './routes/sales.ts';

/** Assembles the public API; never listens. */
export async function buildApp(parts: Parts): Promise<Http> {
  const app = createHttp(parts);
  // Fastify wants the shape declared once; the hook below puts the real value in.
  app.decorateRequest('identity', null as unknown as Identity);

  const admission = await createAdmission(app, parts.limits);
  const admit: Authenticate = (request) => admission.admitAddress(request);
  const authenticate: Authenticate = async (request) => {
    request.identity = await parts.identifier.identify(request.headers.authorization);
    await admission.admitUser(request);
    await admission.admitAddress(request);
  };
  const authenticateAdmin: Authenticate = async (request) => {
    await authenticate(request);
    if (!request.identity.isAdmin) {
      throw new Problem('forbidden', { detail: 'the scope sale:admin is required' });
    }
  };
  const services: Services = { ...parts, authenticate, authenticateAdmin, admit };

  logAndMeasure(app, parts.metrics);
  saleRoutes(app, services);
  auditRoute(app, services);
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
