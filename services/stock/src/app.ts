import {
  createHttp,
  InvariantError,
  observeRequests,
  requireCaller,
  traceRequests,
  type Http,
  type Logger,
  type RequestSeconds,
  type Tracing,
} from '@seckill/runtime';
import type { Announcer } from './announce/announcer.ts';
import type { FullStates } from './announce/full-state.ts';
import type { BuyerHolds } from './buyer-holds/buyer-holds.ts';
import type { AuditReader } from './audit/reader.ts';
import type { ControlStates } from './recovery/control-state.ts';
import type { LaneMonitor } from './recovery/monitor/lane-monitor.ts';
import type { Lane } from './redis/keys.ts';
import { auditRoute } from './routes/audit.ts';
import { buyerHoldsRoute } from './routes/buyer-holds.ts';
import { clockRoute } from './routes/clock.ts';
import { holdRoutes } from './routes/holds.ts';
import { reservationRoutes } from './routes/reservations.ts';
import { retakeRoutes } from './routes/retakes.ts';
import { saleRoutes } from './routes/sales.ts';
import { standingRoute } from './routes/standing.ts';
import type { Reservations } from './reserve/reservations.ts';
import type { Retakes } from './reserve/retakes.ts';
import type { Standings } from './standing/standings.ts';

export interface AppDeps {
  /** Absent where the `http` role does not run: then only health is answered. */
  api?: {
    reservations: Reservations;
    retakes: Retakes;
    controlStates: ControlStates;
    announcer: Announcer;
    fullStates: FullStates;
    monitor: LaneMonitor;
    /** Called when a lane has what no script of ours wrote. */
    onBroken: (lane: Lane, error: Error) => void;
    readClock: () => Promise<number>;
    auditReader: Pick<AuditReader, 'read'>;
    standings: Pick<Standings, 'read'>;
    buyerHolds: Pick<BuyerHolds, 'read'>;
  };
  tokens: Record<'gateway' | 'order', string>;
  isReady: () => boolean;
  requestSeconds: RequestSeconds;
  tracing?: Tracing | undefined;
  /** Our own bug was met: the process must end (D14). */
  onInvariantBroken: (error: InvariantError) => void;
  logger: Logger;
}

/** Assembles the internal HTTP API; never listens. */
export function createApp(deps: AppDeps): Http {
  const { api, tokens, logger, tracing } = deps;
  const app = createHttp({ logger, isReady: deps.isReady });
  traceRequests(app, tracing, { isEdge: false });
  observeRequests(app, deps.requestSeconds);
  if (api === undefined) return app;
  const { reservations, retakes, controlStates, announcer, fullStates, monitor } = api;
  const { readClock, auditReader, standings, buyerHolds, onBroken } = api;
  app.addHook('onError', async (_request, _reply, error) => {
    if (error instanceof InvariantError) deps.onInvariantBroken(error);
  });
  const isGateway = requireCaller(tokens, ['gateway']);
  const isOrder = requireCaller(tokens, ['order']);
  const isEither = requireCaller(tokens, ['gateway', 'order']);
  reservationRoutes(app, { reservations, tracing, onRequest: isGateway });
  retakeRoutes(app, { retakes, onRequest: isOrder });
  holdRoutes(app, { reservations, onRequest: isEither });
  buyerHoldsRoute(app, { buyerHolds, onRequest: isGateway });
  clockRoute(app, { readClock, onRequest: isOrder });
  auditRoute(app, { reader: auditReader, onBroken, onRequest: isGateway });
  standingRoute(app, { standings, onRequest: isGateway });
  saleRoutes(app, {
    controlStates,
    announcer,
    fullStates,
    monitor,
    onBroken,
    onReadRequest: isEither,
    onControlRequest: isOrder,
  });
  return app;
}
