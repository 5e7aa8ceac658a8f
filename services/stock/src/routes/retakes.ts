import { RetakeRequest } from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import type { Retakes } from '../reserve/retakes.ts';
import { orUnavailable } from './unavailable.ts';
import type { CallerCheck } from './caller-check.ts';

/** 100 ids of at most 128 characters are 13 kB, within what every route takes. */
export function retakeRoutes(app: Http, deps: { retakes: Retakes; onRequest: CallerCheck }): void {
  app.post(
    '/internal/retakes',
    { schema: { body: RetakeRequest }, onRequest: deps.onRequest },
    async (request) => orUnavailable(deps.retakes.retake(request.body.reservationIds), request.log),
  );
}
