import { createHttp, InvariantError, requireCaller, type Http, type Logger } from '@seckill/runtime';
import type { Announcer } from './announce/announcer.ts';
import type { FullStates } from './announce/full-state.ts';
import type { AuditReader } from './audit/reader.ts';
import type { Lanes } from './recovery/control-state.ts';
import { auditRoute } from './routes/audit.ts';
import { clockRoute } from './routes/clock.ts';
import { holdRoutes } from './routes/holds.ts';
import { reservationRoutes } from './routes/reservations.ts';
import { saleRoutes } from './routes/sales.ts';
import type { Stock } from './reserve/reservations.ts';

export interface AppOptions {
  /** Absent where the `http` role does not run: then only health is answered. */
  api?: {
    stock: Stock;
    lanes: Lanes;
    announcer: Announcer;
    fullStates: FullStates;
    readClock: () => Promise<number>;
    auditReader: Pick<AuditReader, 'read'>;
  };
  tokens: Record<'gateway' | 'order', string>;
  isReady: () => boolean;
  /** Our own bug was met: the process must end (decision 14). */
  onInvariantBroken: (error: InvariantError) => void;
  logger: Logger;
}

/** Assembles the internal HTTP API; never listens. */
export function createApp(options: AppOptions): Http {
  const { api, tokens, logger } = options;
  const app = createHttp({ logger, isReady: options.isReady });
  if (api === undefined) return app;
  const { stock, lanes, announcer, fullStates, readClock, auditReader } = api;
  app.addHook('onError', async (_request, _reply, error) => {
    if (error instanceof InvariantError) options.onInvariantBroken(error);
  });
  const isGateway = requireCaller(tokens, ['gateway']);
  const isOrder = requireCaller(tokens, ['order']);
  const isEither = requireCaller(tokens, ['gateway', 'order']);
  reservationRoutes(app, { stock, onRequest: isGateway });
  holdRoutes(app, { stock, onRequest: isEither });
  clockRoute(app, { readClock, onRequest: isOrder });
  auditRoute(app, { reader: auditReader, onRequest: isGateway });
  saleRoutes(app, { lanes, announcer, fullStates, onReadRequest: isEither, onControlRequest: isOrder });
  return app;
}
