import type { ControlAcknowledgement, ControlState, StockState } from '@seckill/contracts';
import type { Logger } from '@seckill/runtime';
import type { Connections } from '../redis/connections.ts';
import { scriptKeys } from '../redis/keys.ts';
import type { ScriptAnswer } from '../redis/scripts.ts';
import { toStockState } from '../redis/lane-state.ts';
import { connectionTo } from './lane-connection.ts';
import { LaneError } from './lane-error.ts';
import type { LaneMonitor } from './monitor/lane-monitor.ts';
import type { LaneOpener } from './lane-opener.ts';

export interface ControlStatesDeps {
  connections: Pick<Connections, 'of'>;
  opener: Pick<LaneOpener, 'readState'>;
  monitor: Pick<LaneMonitor, 'ensureOpen'>;
  logger: Logger;
}

/** What order decided about the sales, brought into their lanes. */
export class ControlStates {
  readonly #deps: ControlStatesDeps;

  constructor(deps: ControlStatesDeps) {
    this.#deps = deps;
  }

  /** @throws LaneError, UnservedError, ioredis' error. */
  async read(saleId: string): Promise<StockState> {
    const lane = { saleId, lane: 0 };
    return toStockState(lane, await this.#deps.opener.readState(lane));
  }

  /**
   * Resolves once the lane is open, at an epoch that order does not distrust, and stands at this version or a
   * higher one.
   * @throws LaneError, OrderError, UpstreamError, ioredis' error: nothing is acknowledged then, call again.
   */
  async apply(control: ControlState): Promise<ControlAcknowledgement> {
    const { connections, monitor, logger } = this.#deps;
    const { saleId, distrustedEpoch } = control;
    const lane = { saleId, lane: 0 };
    await monitor.ensureOpen(lane, { distrustedEpoch });
    const { redis, runId } = connectionTo(connections, lane);
    const [outcome, gate, epoch, version, ...taken] = await redis.control(
      scriptKeys('control', lane),
      runId,
      JSON.stringify(control),
    );
    if (
      (outcome === 'applied' || outcome === 'current') &&
      gate === 'open' &&
      Number(epoch) > distrustedEpoch
    ) {
      const adjusted = toAdjusted(taken);
      return {
        saleId,
        version: Number(version),
        epoch: Number(epoch),
        ...(adjusted.length > 0 && { adjusted }),
      };
    }
    // `total_too_low` and `item_missing` mean that order and stock disagree: a person has to look.
    logger.error({ saleId, outcome, detail: gate }, 'control state was not applied');
    throw new LaneError(`control.lua answered ${String(outcome)}, ${String(gate)}`);
  }
}

/** Id and units of each adjustment, in turn. */
function toAdjusted(facts: ScriptAnswer): NonNullable<ControlAcknowledgement['adjusted']> {
  return facts.flatMap((id, index) =>
    index % 2 === 0 ? [{ id: String(id), taken: Number(facts[index + 1]) }] : [],
  );
}
