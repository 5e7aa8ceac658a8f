import { Problem, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { Reservations } from '../reserve/reservations.ts';
import { orUnavailable } from './unavailable.ts';
import type { CallerCheck } from './caller-check.ts';

export function holdRoutes(app: Http, deps: { reservations: Reservations; onRequest: CallerCheck }): void {
  app.get(
    '/internal/holds/:reservationId',
    { schema: { params: Type.Object({ reservationId: Type.String() }) }, onRequest: deps.onRequest },
    async (request) => {
      const hold = await orUnavailable(deps.reservations.readHold(request.params.reservationId), request.log);
      if (hold === undefined) throw new Problem('order_not_found');
      return hold;
    },
  );
}
