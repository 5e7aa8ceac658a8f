import { createHttp, observeRequests, traceRequests, type Http } from '@seckill/runtime';
import type { FastifyRequest } from 'fastify';
import { compressAnswers } from './compression.ts';
import { createAdmission } from './limits/admission.ts';
import { consoleRoutes } from './console/console.ts';
import type { Identity } from './identity/identity.ts';
import { allowOrigins } from './cors.ts';
import type { Admit, ApiDeps, RouteDeps } from './deps.ts';
import { createRowWait } from './orders/row-wait.ts';
import { logRequests, noteMalformed } from './request-log.ts';
import { collectRoutes } from './openapi/document.ts';
import { auditRoute } from './routes/audit.ts';
import { contractRoutes } from './routes/contract.ts';
import { explainRoute } from './routes/operators/explain.ts';
import { deadLetterRoutes } from './routes/operators/dead-letters.ts';
import { operatorOrderRoutes } from './routes/operators/orders.ts';
import { outcomesRoute } from './routes/operators/outcomes.ts';
import { pickupRoutes } from './routes/operators/pickups.ts';
import { reportRoute } from './routes/operators/report.ts';
import { orderRoutes } from './routes/orders.ts';
import { paymentRoutes } from './routes/payments.ts';
import { reservationRoutes } from './routes/reservations.ts';
import { saleEventsRoute } from './routes/sale-events.ts';
import { saleRoutes } from './routes/sales.ts';
import { notOperator } from './routes/steering.ts';
import { webhookRoutes } from './routes/webhooks.ts';
import { refuseUnknownInput } from './routes/strict-input.ts';
import { shedLoad } from './limits/shedding.ts';

/**
 * An API answers programs: a browser that is led here must not guess a type, run, frame or leak anything. TLS
 * and HSTS are the ingress' business.
 */
const SAFE_HEADERS = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
};

/** Reads without a token. No user has this name. */
const NOBODY: Identity = { userId: '', isOperator: false };

/** Assembles the public API; never listens. */
export async function createApp(deps: ApiDeps): Promise<Http> {
  const app = createHttp({
    ...deps,
    headers: SAFE_HEADERS,
    refusesRepeatedMembers: true,
    onMalformed: noteMalformed(deps.logger, deps.metrics.requestSeconds),
  });
  const routes = collectRoutes(app);
  // Fastify wants the shape declared once; the hook below puts the real value in.
  app.decorateRequest('identity', null as unknown as Identity);

  // First, so that a span is as long as all that is done for its request.
  traceRequests(app, deps.tracing, { isEdge: true });
  compressAnswers(app);
  logRequests(app);
  observeRequests(app, deps.metrics.requestSeconds);
  refuseUnknownInput(app);
  const admission = await createAdmission(app, deps.admission);
  const admit: Admit = async (request, reply) => admission.admitAddress(request, reply);
  // Before load is shed: a page could not read that it is to come back later.
  await allowOrigins(app, deps.allowedOrigins, admit);
  await shedLoad(app, { requestsMax: deps.requestsMax, metrics: deps.limitMetrics });
  // Guessing routes costs as much as asking for them.
  app.addHook('onRequest', (request, reply, done) => {
    goOn(request.is404 ? admission.admitAddress(request, reply) : undefined, done);
  });
  const admitSignedIn: typeof admission.admitUser = (request, reply) => {
    // The headers tell of the user, whose limit is the narrower one.
    const counting = admission.admitUser(request, reply);
    if (counting === undefined) return admission.admitAddress(request);
    return counting.then(() => admission.admitAddress(request));
  };
  const identify: Admit = async (request, reply) => {
    try {
      request.identity = await deps.identifier.identify(request.headers.authorization);
    } catch (error) {
      // Nobody is signed in here, so only the address can bound a flood of bad tokens.
      await admit(request, reply);
      throw error;
    }
    await admitSignedIn(request, reply);
  };
  const authenticate: RouteDeps['authenticate'] = (request, reply, done) => {
    const known = deps.identifier.known(request.headers.authorization);
    if (known === undefined) {
      goOn(identify(request, reply), done);
      return;
    }
    request.identity = known;
    goOn(admitSignedIn(request, reply), done);
  };
  const identifyReader = async (request: FastifyRequest): Promise<void> => {
    request.identity = await deps.identifier.identify(request.headers.authorization);
  };
  const admitReader: RouteDeps['admitReader'] = (request, reply, done) => {
    const counting = admission.admitAddress(request, reply);
    const { authorization } = request.headers;
    const known = authorization === undefined ? NOBODY : deps.identifier.known(authorization);
    if (known === undefined) {
      goOn(
        counting === undefined ? identifyReader(request) : counting.then(() => identifyReader(request)),
        done,
      );
      return;
    }
    request.identity = known;
    goOn(counting, done);
  };
  const authenticateOperator: Admit = async (request, reply) => {
    await identify(request, reply);
    if (!request.identity.isOperator) {
      throw notOperator();
    }
  };
  const changeRow = createRowWait(deps);
  const routeDeps: RouteDeps = { ...deps, authenticate, authenticateOperator, admit, admitReader, changeRow };

  saleRoutes(app, routeDeps);
  saleEventsRoute(app, routeDeps);
  auditRoute(app, routeDeps);
  reservationRoutes(app, routeDeps);
  orderRoutes(app, routeDeps);
  operatorOrderRoutes(app, routeDeps);
  explainRoute(app, routeDeps);
  reportRoute(app, routeDeps);
  outcomesRoute(app, routeDeps);
  pickupRoutes(app, routeDeps);
  paymentRoutes(app, routeDeps);
  deadLetterRoutes(app, routeDeps);
  webhookRoutes(app, routeDeps);
  if (deps.hasConsole) consoleRoutes(app, routeDeps);
  // The contract is a plugin, because the plugins before it have registered all of their routes by then.
  await app.register((scope) => contractRoutes(scope, routeDeps, routes));
  return app;
}

/** A hook goes on at once unless there is something to wait for. */
function goOn(waiting: Promise<void> | undefined, done: (error?: Error) => void): void {
  if (waiting === undefined) done();
  else {
    waiting.then(() => {
      done();
    }, done);
  }
}
