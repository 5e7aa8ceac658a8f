import type { ControlAcknowledgement, ControlState, StockState } from '@seckill/contracts';
import { invariant, type Logger } from '@seckill/runtime';
import type { Connections } from '../redis/connections.ts';
import { LaneError, type Gate } from './lane-opener.ts';
import type { Gatekeeper } from './lane-monitor.ts';
import { LANES_KEY, parseLane, scriptKeys, type Lane } from '../redis/keys.ts';

export interface LanesOptions {
  connections: Pick<Connections, 'of'>;
  gate: Pick<Gate, 'count'>;
  gatekeeper: Pick<Gatekeeper, 'ensureOpen'>;
  logger: Logger;
}

/** State and control state of the lanes. */
export class Lanes {
  readonly #options: LanesOptions;

  constructor(options: LanesOptions) {
    this.#options = options;
  }

  async readState(saleId: string): Promise<StockState> {
    const count = await this.#options.gate.count({ saleId, lane: 0 });
    const {
      isLoaded: _isLoaded,
      wasOpened: _wasOpened,
      closing: _closing,
      openedSequence: _openedSequence,
      ...state
    } = count;
    return { saleId, ...state };
  }

  /**
   * Resolves once the lane is open, at an epoch that order does not doubt, and stands at this version or a higher one.
   * @throws LaneError, OrderError, UpstreamError, ioredis' error: nothing is acknowledged then, call again.
   */
  async applyControl(control: ControlState): Promise<ControlAcknowledgement> {
    const { saleId, distrustedEpoch } = control;
    const lane = { saleId, lane: 0 };
    await this.#options.gatekeeper.ensureOpen(lane, { distrustedEpoch });
    const { redis, runId } = this.#options.connections.of(lane);
    if (runId === undefined) throw new LaneError('the connection to Redis is not ready');
    const [outcome, gate, epoch, version] = await redis.control(
      scriptKeys('control', lane),
      runId,
      JSON.stringify(control),
    );
    if (
      (outcome === 'applied' || outcome === 'current') &&
      gate === 'open' &&
      Number(epoch) > distrustedEpoch
    ) {
      return { saleId, version: Number(version), epoch: Number(epoch) };
    }
    // `total_too_low` and `item_missing` mean that order and stock disagree: a person has to look.
    this.#options.logger.error({ saleId, outcome, detail: gate }, 'control state was not applied');
    throw new LaneError(`control.lua answered ${String(outcome)}, ${String(gate)}`);
  }
}

/** The lanes that exist, for whoever serves them all. @throws ioredis' error, UnservedError. */
export async function listLanes({ registry }: Pick<Connections, 'registry'>): Promise<Lane[]> {
  const members = await registry.redis.smembers(LANES_KEY);
  return members.map((member) => {
    const lane = parseLane(member);
    invariant(lane !== undefined, 'seckill:lanes holds lanes');
    return lane;
  });
}
