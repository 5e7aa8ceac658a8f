import { randomBytes } from 'node:crypto';
import { countHolds, createReadHolds } from '../redis/holds.ts';
import { scriptKeys, type Lane } from '../redis/keys.ts';
import { registerLanes } from '../redis/lane-registry.ts';
import { readLaneState, type LaneState } from '../redis/lane-state.ts';
import { createSettle } from '../settler/settlements.ts';
import type { OpeningStep, RecoveryDeps } from './deps.ts';
import { drainLane, type DrainedLane } from './drained-lane.ts';
import { connectionTo, nodeArguments } from './lane-connection.ts';
import { LaneError } from './lane-error.ts';
import { loadLane } from './load-lane.ts';
import { RecoveryLease } from './recovery-lease.ts';
import { settleEndedSince, settleHolds, settleReturned } from './unsettled-holds.ts';

export interface LaneOpenerDeps extends Omit<RecoveryDeps, 'readHolds' | 'settle' | 'lease' | 'onStep'> {
  onStep?: (step: OpeningStep, lane: Lane) => void;
}

export interface OpenOptions {
  /** Loads the lane anew whatever it holds. */
  isForced?: boolean;
  /** Loads the lane anew if it stands at this epoch or below. */
  distrustedEpoch?: number;
}

/** What was found out about a lane before anything was done to it. */
interface Examination {
  state: LaneState;
  isOpen: boolean;
  mustLoad: boolean;
}

/**
 * The most rounds of one call. Beyond them another rebuilder or late orders keep interfering, and the caller
 * repeats.
 */
const ROUNDS_MAX = 3;

/**
 * Opens a lane after what the lane holds was compared with Postgres, or was loaded from there: check and
 * rebuild of docs/recovery.md. If a process dies on the way, the next one finds what was done, or does it
 * again under a later epoch.
 */
export class LaneOpener {
  readonly #deps: RecoveryDeps;

  constructor(deps: LaneOpenerDeps) {
    const { connections, onStep = () => undefined } = deps;
    this.#deps = {
      ...deps,
      readHolds: createReadHolds(connections),
      settle: createSettle(connections),
      lease: new RecoveryLease(connections, randomBytes(16).toString('base64url')),
      onStep,
    };
  }

  /**
   * Returns when the lane is open. One process at a time opens a lane.
   * @throws LaneError, OrderError, UpstreamError, KafkaAwayError, UnservedError, kafkajs' or ioredis' error:
   * the lane stays closed, call again.
   */
  async open(lane: Lane, options: OpenOptions = {}): Promise<void> {
    const { lease } = this.#deps;
    if ((await this.#examine(lane, options)).isOpen) return;
    await lease.renew(lane);
    try {
      // Another process may have opened the lane before the lease was ours.
      const examined = await this.#examine(lane, options);
      if (!examined.isOpen) await this.#openLeased(lane, examined, options);
    } finally {
      // A lease that cannot be given back ends by itself.
      await lease.release(lane).catch(() => undefined);
    }
  }

  /** The lane at this instant. @throws LaneError, UnservedError, ioredis' error. */
  async readState(lane: Lane): Promise<LaneState> {
    const { redis, runId } = connectionTo(this.#deps.connections, lane);
    return readLaneState(redis, runId, lane);
  }

  async #openLeased(lane: Lane, { state, mustLoad }: Examination, options: OpenOptions): Promise<void> {
    const { logger, metrics } = this.#deps;
    const stopTimer = metrics.openSeconds.startTimer();
    this.#assertWhole(lane);
    if (mustLoad && state.isLoaded) {
      const why = { ...options, ...(state.isTorn ? { isTorn: true } : {}) };
      logger.warn({ ...lane, ...why }, 'lane opener: the lane is loaded anew');
    }
    await this.#close(lane, state, mustLoad);
    const isCompared =
      (state.isLoaded || (await this.#hasHolds(lane))) && (await this.#compare(lane, state, mustLoad));
    if (!isCompared) await this.#rebuild(lane);
    stopTimer();
    metrics.opened.inc({ way: isCompared ? 'compared' : 'loaded' });
  }

  async #examine(lane: Lane, { isForced = false, distrustedEpoch = 0 }: OpenOptions): Promise<Examination> {
    // The marks are taken first: what is acknowledged while Redis' answer is on its way is not missing in the
    // answer.
    const marks = this.#deps.marks.copy([lane]);
    const state = await this.readState(lane);
    const isUnsound =
      isForced ||
      !state.isLoaded ||
      state.isTorn ||
      state.epoch <= distrustedEpoch ||
      marks.isAhead(lane, state);
    const isOpen = state.gate === 'open' && !isUnsound;
    return { state, isOpen, mustLoad: isUnsound || this.#isElsewhere(lane, state) };
  }

  /**
   * A lane of a cluster that is closed may be compared only where it was opened last, by the node that has
   * kept its place since (D101). A node that another has replaced may still sell, cut off, under the lane's
   * epoch, which no comparison sees. Where a move of the slot was seen, no node is named any more. open.lua
   * asks the same again, with the stamps, in the step that opens.
   */
  #isElsewhere(lane: Lane, { gate, server }: LaneState): boolean {
    const { connections } = this.#deps;
    if (!connections.isCluster || gate === 'open') return false;
    return server === '' || server !== connectionTo(connections, lane).server;
  }

  /**
   * A missing lane is closed already. Such a lane comes into being only once order has given a snapshot of it
   * (load-lane.ts). If only its state was lost, a relay has to know the lane that may still have entries.
   */
  async #close(lane: Lane, { gate, outbox }: LaneState, isForced: boolean): Promise<void> {
    this.#deps.onStep('close', lane);
    if (gate === 'missing') {
      if (outbox > 0) await registerLanes(this.#deps.connections, [lane]);
      return;
    }
    const { redis, runId } = connectionTo(this.#deps.connections, lane);
    await redis.close(scriptKeys('close', lane), runId, isForced ? '1' : '0');
  }

  /**
   * A lane that lost its state, or that was never loaded whole, may have holds that only Redis knows. The
   * load would remove them.
   */
  async #hasHolds(lane: Lane): Promise<boolean> {
    const { redis } = connectionTo(this.#deps.connections, lane);
    try {
      return (await countHolds({ redis }, lane)) > 0;
    } catch (error) {
      // A key of another type is nothing of ours, and goes when the lane is loaded.
      if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return false;
      throw error;
    }
  }

  /**
   * The check. The holds are looked at even when the lane is to be loaded anew: what only Redis knows must be
   * in Kafka first. The second drain reads the ends behind what was published again.
   * @returns whether the lane is open.
   */
  async #compare(lane: Lane, { isLoaded }: LaneState, mustLoad: boolean): Promise<boolean> {
    const { ends, runId } = await drainLane(this.#deps, lane);
    const isSound = await settleHolds(this.#deps, lane, { ends, isLoaded });
    if (!isSound || mustLoad || !(await settleReturned(this.#deps, lane))) return false;
    const drained = await drainLane(this.#deps, lane);
    // What was settled may be lost, or was settled on another node.
    if (drained.runId !== runId) throw new LaneError('Redis became another one during the check');
    return this.#askAndOpen(lane, drained);
  }

  async #rebuild(lane: Lane): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const { since } = await loadLane(this.#deps, lane, await drainLane(this.#deps, lane));
      const loaded = await drainLane(this.#deps, lane);
      const isSound =
        (await settleEndedSince(this.#deps, lane, since)) && (await settleReturned(this.#deps, lane));
      if (isSound && (await this.#askAndOpen(lane, loaded))) return;
    }
    throw new LaneError('what order knows keeps changing under the rebuild');
  }

  /**
   * Opens the lane if order grants it for exactly this state.
   * @returns false when order refuses, when this process acknowledged more to buyers than the lane holds, or
   * when a part of the lane is missing or old.
   * @throws LaneError when the lane or its Redis is another one than order was asked about.
   */
  async #askAndOpen(lane: Lane, { state, runId, ends }: DrainedLane): Promise<boolean> {
    const { connections, orderClient, logger, marks, onStep } = this.#deps;
    const { epoch, sequence, version, fence } = state;
    if (!state.isLoaded || marks.isAhead(lane, state)) return false;
    onStep('opening', lane);
    const request = { lane: lane.lane, epoch, sequence, version, ...(ends && { ends }) };
    const { granted, refusal } = await orderClient.askOpening(lane.saleId, request);
    if (!granted) {
      logger.warn({ ...lane, epoch, sequence, refusal }, 'lane opener: order does not let the lane open');
      return false;
    }
    // Order's word was given while this Redis was looked at, and holds for no other.
    const connection = connectionTo(connections, lane);
    if (connection.runId !== runId) throw new LaneError('Redis restarted during the check');
    this.#assertWhole(lane);
    onStep('open', lane);
    const node = nodeArguments(connection, lane);
    const [outcome] = await connection.redis.open(
      scriptKeys('open', lane),
      runId,
      epoch,
      sequence,
      fence,
      ...node,
    );
    if (outcome === 'torn') {
      logger.warn({ ...lane, epoch, sequence }, 'lane opener: a part of the lane is missing or old');
      return false;
    }
    if (outcome !== 'opened') throw new LaneError(`open.lua answered ${String(outcome)}`);
    logger.info({ ...lane, epoch, sequence }, 'lane is open');
    return true;
  }

  /**
   * The lane monitor would close a lane that is on its way to another node again at once. @throws LaneError
   */
  #assertWhole(lane: Lane): void {
    if (this.#deps.connections.isMoving(lane)) throw new LaneError('the keys of the lane are on their way');
  }
}
