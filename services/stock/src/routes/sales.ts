import { ControlState, detailOf, LIMITS, SaleId, type FullState, type StockState } from '@seckill/contracts';
import { Problem, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { Announcer } from '../announce/announcer.ts';
import type { FullStates } from '../announce/full-state.ts';
import type { ControlStates } from '../recovery/control-state.ts';
import type { LaneMonitor } from '../recovery/monitor/lane-monitor.ts';
import type { Lane } from '../redis/keys.ts';
import { noteBroken, orUnavailable } from './unavailable.ts';
import type { CallerCheck } from './caller-check.ts';

const Params = Type.Object({ saleId: SaleId });
const StateQuery = Type.Object(
  { full: Type.Optional(Type.Literal('true')) },
  { additionalProperties: false },
);

export function saleRoutes(
  app: Http,
  deps: {
    controlStates: ControlStates;
    announcer: Announcer;
    fullStates: FullStates;
    monitor: Pick<LaneMonitor, 'look'>;
    onBroken: (lane: Lane, error: Error) => void;
    onReadRequest: CallerCheck;
    onControlRequest: CallerCheck;
  },
): void {
  app.get(
    '/internal/sales/:saleId/state',
    { schema: { params: Params, querystring: StateQuery }, onRequest: deps.onReadRequest },
    async (request) => {
      const { saleId } = request.params;
      const lane = { saleId, lane: 0 };
      const isFull = request.query.full !== undefined;
      const reading: Promise<FullState | StockState> = isFull
        ? deps.fullStates.read(lane)
        : deps.controlStates.read(saleId);
      const state = await orUnavailable(noteBroken(reading, lane, deps.onBroken), request.log);
      if (isFull) return state;
      // A gateway that asks does not know it. With the announcement none has to ask until something changes.
      if (state.gate === 'open') deps.announcer.announceOnDemand(lane);
      else deps.monitor.look(lane);
      return state;
    },
  );
  app.put(
    '/internal/sales/:saleId',
    {
      schema: { params: Params, body: ControlState },
      bodyLimit: LIMITS.saleBodyBytesMax,
      onRequest: deps.onControlRequest,
    },
    async (request) => {
      if (request.body.saleId !== request.params.saleId) {
        throw new Problem('invalid_request', {
          detail: detailOf('differs_from_path', { field: 'saleId' }),
          extra: { field: 'saleId' },
        });
      }
      const applied = await orUnavailable(deps.controlStates.apply(request.body), request.log);
      // Every gateway hears of a pause, a close or new units at once.
      deps.announcer.announce({ saleId: request.params.saleId, lane: 0 });
      return applied;
    },
  );
}
