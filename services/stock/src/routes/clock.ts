import type { Http } from '@seckill/runtime';
import { orUnavailable } from './unavailable.ts';
import type { CallerCheck } from './caller-check.ts';

/** `now`: milliseconds since the epoch, by Redis' clock. */
export function clockRoute(
  app: Http,
  options: { readClock: () => Promise<number>; onRequest: CallerCheck },
): void {
  app.get('/internal/clock', { onRequest: options.onRequest }, async (request) => ({
    now: await orUnavailable(options.readClock(), request.log),
  }));
}
