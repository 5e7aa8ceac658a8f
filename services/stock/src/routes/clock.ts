import type { Http } from '@seckill/runtime';
import { orUnavailable } from './unavailable.ts';
import type { CallerCheck } from './caller-check.ts';

/** `now`: milliseconds since the epoch, by Redis' clock. */
export function clockRoute(
  app: Http,
  deps: { readClock: () => Promise<number>; onRequest: CallerCheck },
): void {
  app.get('/internal/clock', { onRequest: deps.onRequest }, async (request) => ({
    now: await orUnavailable(deps.readClock(), request.log),
  }));
}
