import type { ControlAcknowledgement, ControlState, Snapshot, StockState } from '@seckill/contracts';
import { invariant, type Logger } from '@seckill/runtime';
import type { Connection } from './connection.ts';
import { parseCount, type LaneCount } from './count.ts';
import { formatLane, LANES_KEY, parseLane, scriptKeys, type Lane } from './keys.ts';
import type { OrderClient } from './order-client.ts';
import { toLoadOrder } from './record.ts';

/** The lane cannot be opened or controlled now; order repeats its call. */
export class LaneError extends Error {
  override readonly name = 'LaneError';
  readonly code = 'SECKILL_LANE_NOT_READY';
}

/** Orders per call of load.lua: about 5 ms of Redis' time, so that other sales go on. */
const LOAD_CHUNK_ORDERS = 500;

export interface LanesOptions {
  connection: Pick<Connection, 'redis' | 'runId'>;
  orderClient: Pick<OrderClient, 'takeSnapshot' | 'askOpening'>;
  logger: Logger;
}

/** Brings lanes into being and keeps their control state. */
export class Lanes {
  readonly #options: LanesOptions;
  readonly #loads = new Map<string, Promise<void>>();

  constructor(options: LanesOptions) {
    this.#options = options;
  }

  async readState(saleId: string): Promise<StockState> {
    const { isLoaded: _isLoaded, wasOpened: _wasOpened, ...state } = await this.#count({ saleId, lane: 0 });
    return { saleId, ...state };
  }

  /**
   * Resolves once the lane is open and stands at this version or a higher one.
   * @throws LaneError, OrderError, UpstreamError, ioredis' error: nothing is acknowledged then, call again.
   */
  async applyControl(control: ControlState): Promise<ControlAcknowledgement> {
    const { saleId } = control;
    const lane = { saleId, lane: 0 };
    await this.ensureOpen(lane);
    const [outcome, gate, epoch, version] = await this.#options.connection.redis.control(
      scriptKeys('control', lane),
      this.#runId(),
      JSON.stringify(control),
    );
    if ((outcome === 'applied' || outcome === 'current') && gate === 'open') {
      return { saleId, version: Number(version), epoch: Number(epoch) };
    }
    // `total_too_low` and `item_missing` mean that order and stock disagree: a person has to look.
    this.#options.logger.error({ saleId, outcome, detail: gate }, 'control state was not applied');
    throw new LaneError(`control.lua answered ${String(outcome)}, ${String(gate)}`);
  }

  /** One load per lane at a time in this process; another process may load too, and the later epoch wins. */
  ensureOpen(lane: Lane): Promise<void> {
    const name = formatLane(lane);
    const running = this.#loads.get(name);
    if (running !== undefined) return running;
    const load = this.#ensureOpen(lane).finally(() => this.#loads.delete(name));
    this.#loads.set(name, load);
    return load;
  }

  async #ensureOpen(lane: Lane): Promise<void> {
    const { gate, isLoaded, wasOpened, epoch } = await this.#count(lane);
    if (gate === 'open') return;
    if (gate === 'stale' || wasOpened) {
      // Opening it, or loading over it, could sell again what was sold since: check and rebuild decide, not we.
      this.#options.logger.error({ ...lane, gate, epoch }, 'lane was open before and must be checked');
      throw new LaneError('the lane must be checked against Postgres before it opens again');
    }
    // An epoch that was loaded before may have been overtaken by one whose loader died: then a fresh load raises it again.
    if (isLoaded && (await this.#open(lane, epoch))) return;
    const loadedEpoch = await this.#load(lane);
    if (!(await this.#open(lane, loadedEpoch))) {
      throw new LaneError(`epoch ${loadedEpoch} is not the newest any more`);
    }
  }

  /**
   * snapshot → close → load. The snapshot first, so that a load which order refuses leaves no lane behind that nobody
   * would ever remove. @returns the epoch that is loaded now.
   */
  async #load(lane: Lane): Promise<number> {
    const { connection, orderClient } = this.#options;
    const snapshot = await orderClient.takeSnapshot(lane.saleId);
    // Registered before it exists: a lane nobody lists would have an outbox nobody relays.
    await connection.redis.sadd(LANES_KEY, formatLane(lane));
    await connection.redis.close(scriptKeys('close', lane), this.#runId(), '0');
    // And after: a relay that found it missing in between has taken it off the list (retirement.ts).
    await connection.redis.sadd(LANES_KEY, formatLane(lane));
    const chunks = splitSnapshot(snapshot);
    for (const [chunk, orders] of chunks.entries()) {
      const [outcome] = await connection.redis.load(
        scriptKeys('load', lane),
        snapshot.epoch,
        chunk,
        chunk === chunks.length - 1 ? '1' : '0',
        chunk === 0 ? JSON.stringify(snapshot.control) : '',
        orders,
      );
      // `epoch_not_higher`: another process loads a later snapshot.
      if (outcome !== 'loaded') throw new LaneError(`load.lua answered ${String(outcome)}`);
    }
    return snapshot.epoch;
  }

  /** @returns false when order does not let this epoch open. */
  async #open(lane: Lane, epoch: number): Promise<boolean> {
    const { connection, orderClient, logger } = this.#options;
    const runId = this.#runId();
    if (!(await orderClient.askOpening(lane.saleId, epoch))) return false;
    // Granted under one Redis process, so opened under the same one.
    if (connection.runId !== runId) throw new LaneError('Redis restarted during the load');
    const [outcome] = await connection.redis.open(scriptKeys('open', lane), runId, epoch);
    if (outcome !== 'opened') throw new LaneError(`open.lua answered ${String(outcome)}`);
    logger.info({ ...lane, epoch }, 'lane is open');
    return true;
  }

  async #count(lane: Lane): Promise<LaneCount> {
    const { redis } = this.#options.connection;
    return parseCount(await redis.count(scriptKeys('count', lane), this.#runId()));
  }

  #runId(): string {
    const { runId } = this.#options.connection;
    if (runId === undefined) throw new LaneError('the connection to Redis is not ready');
    return runId;
  }
}

/** Chunk 0 always exists, because it installs the control state. */
function splitSnapshot({ orders, control }: Snapshot): string[] {
  const chunks: string[] = [];
  for (let start = 0; start === 0 || start < orders.length; start += LOAD_CHUNK_ORDERS) {
    const chunk = orders.slice(start, start + LOAD_CHUNK_ORDERS);
    chunks.push(JSON.stringify(chunk.map((order) => toLoadOrder(order, control.currency))));
  }
  return chunks;
}

/** The lanes that exist, for whoever serves them all. @throws ioredis' error. */
export async function listLanes({ redis }: Pick<Connection, 'redis'>): Promise<Lane[]> {
  const members = await redis.smembers(LANES_KEY);
  return members.map((member) => {
    const lane = parseLane(member);
    invariant(lane !== undefined, 'seckill:lanes holds lanes');
    return lane;
  });
}
