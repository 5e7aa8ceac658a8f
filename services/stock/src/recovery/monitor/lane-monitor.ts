import type { SaleToLoad } from '@seckill/contracts';
import { backoffMs, InvariantError, type Clock, type Logger } from '@seckill/runtime';
import { OrderError, type OrderClient } from '../../order-client.ts';
import { closeLane } from '../../redis/close-lane.ts';
import type { Connection } from '../../redis/connection.ts';
import type { Connections } from '../../redis/connections.ts';
import { formatLane, type Lane } from '../../redis/keys.ts';
import { countLanes, registerLanes } from '../../redis/lane-registry.ts';
import type { LaneState } from '../../redis/lane-state.ts';
import { HighWaterMarks } from '../high-water-marks.ts';
import { LaneError } from '../lane-error.ts';
import type { LaneOpener, OpenOptions } from '../lane-opener.ts';
import type { GateMetrics } from '../metrics.ts';

export interface LaneMonitorDeps {
  opener: Pick<LaneOpener, 'open' | 'readState'>;
  connections: Pick<Connections, 'find' | 'of' | 'isMoving' | 'registry' | 'isCluster'>;
  orderClient: Pick<OrderClient, 'listSales'>;
  marks: HighWaterMarks;
  clock: Clock;
  random: () => number;
  logger: Logger;
  metrics: GateMetrics;
}

/**
 * Between two rounds. A round looks at the lanes that are not known to be open under the Redis of now, and at
 * a few others in turn. Looking at all lanes took 10 commands a second for each (500 idle sales).
 */
const WATCH_MS = 500;
/**
 * Every lane is looked at once in this time though nothing was told of it. The scripts tell every change of a
 * gate, and who is turned away by a closed lane has it looked at. So this finds only a lane that was removed
 * by hand and that nobody asks for. One lane a round also finds FLUSHALL, which takes all of them.
 */
const SWEEP_MS = 300_000;
/** Lanes that are looked at together. */
const LOOK_LANES_MAX = 500;
/** A new sale comes by its control state. The list finds what Redis lost without anyone telling. */
const LIST_MS = 5_000;
/**
 * A rebuild keeps Redis busy in pieces of 5 ms. More rebuilds at once would hold up the sales that are open.
 */
const OPENING_MAX = 4;
/** Lanes that are known to be broken at a time. One more is met again by whoever asks for it. */
const BROKEN_MAX = 10_000;
const BACKOFF = { baseMs: 200, capMs: 5_000 };

/** A lane as order listed it, and as it was seen last. */
interface ListedLane extends Lane {
  mayRetire: boolean;
  /** The newest epoch of the sale. */
  saleEpoch: number;
  /** The identity of the Redis under which it was seen open. Undefined: it must be looked at. */
  goodUnder: string | undefined;
  epoch: number;
  isThere: boolean;
  /**
   * Since when it was seen closed or out of reach, by our own clock. A person reads it, and nothing hangs on
   * it.
   */
  closedSince?: number;
  /** Rises whenever something is told of it. What was read before is no longer believed then. */
  turn: number;
}

/** A lane that does not sell, or must not. */
interface ClosedLane {
  lane: ListedLane;
  /** It is loaded anew if it stands there or below. */
  distrustedEpoch: number;
}

/**
 * Watches the gates of all lanes and opens those that closed: at start, under another Redis, at any other
 * time. A lane that was seen open stays open until a script closes it, and each script that does so says it,
 * or until its Redis is another one. So what is seen open once is asked about again only then.
 */
export class LaneMonitor {
  readonly #deps: LaneMonitorDeps;
  readonly #running = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, { count: number; until: number }>();
  #lanes = new Map<string, ListedLane>();
  /**
   * Names of lanes that have what no script of ours wrote, and are loaded anew whatever their gates say. They
   * are kept by name, because a lane may sell for some seconds before order has listed it.
   */
  readonly #broken = new Set<string>();
  /** Where the sweep goes on. */
  #swept = 0;
  /** The list of lanes may lack some: it is to be written whole. */
  #mustRegister = true;
  /** The marks as they stood when the Redis of the lane became another one. */
  readonly #marksBefore = new HighWaterMarks();
  #listedAt = Number.NEGATIVE_INFINITY;
  #wake = new AbortController();

  constructor(deps: LaneMonitorDeps) {
    this.#deps = deps;
  }

  /**
   * Returns when the lane is open, loaded after `distrustedEpoch`. One opening per lane at a time in this
   * process.
   * @throws as LaneOpener.open
   */
  async ensureOpen(lane: Lane, options: OpenOptions = {}): Promise<void> {
    const name = formatLane(lane);
    const before = this.#running.get(name);
    if (before !== undefined) await before.catch(() => undefined);
    // Another caller in this process may have been faster.
    const other = this.#running.get(name);
    if (other !== undefined) return other;
    const running = this.#deps.opener.open(lane, options).finally(() => this.#running.delete(name));
    this.#running.set(name, running);
    return running;
  }

  /**
   * Looks at all lanes at once, because the Redis behind this connection was identified anew.
   * @param isOther another Redis, or another history, than before. Only then the marks of its lanes are kept
   * as they stand. The same Redis with the same history has all that it confirmed; if a lane lacks something
   * all the same, the lane's sequence shows that.
   */
  wake(connection: Connection, isOther: boolean): void {
    const { marks, connections } = this.#deps;
    if (isOther) this.#marksBefore.take(marks, (lane) => connections.find(lane) === connection);
    this.#failures.clear();
    this.#listedAt = Number.NEGATIVE_INFINITY;
    this.lookAtAll((lane) => connections.find(lane) === connection);
  }

  /** Looks at the lane at once: its gate has changed, or somebody was turned away there. */
  look(lane: Lane): void {
    const listed = this.#lanes.get(formatLane(lane));
    if (listed === undefined) return;
    listed.turn += 1;
    if (listed.goodUnder === undefined) return;
    listed.goodUnder = undefined;
    this.#wake.abort();
  }

  /**
   * Has the lane loaded anew, at once. Until then it sells what it can.
   * @returns false: it was to be loaded anew anyway.
   */
  distrust(lane: Lane): boolean {
    const name = formatLane(lane);
    const isNew = !this.#broken.has(name);
    if (this.#broken.size < BROKEN_MAX) this.#broken.add(name);
    if (!this.#lanes.has(name)) this.#listedAt = Number.NEGATIVE_INFINITY;
    this.look(lane);
    return isNew;
  }

  /** Since when this process has seen the lane closed or out of reach; undefined: it has not. */
  closedSince(lane: Lane): number | undefined {
    return this.#lanes.get(formatLane(lane))?.closedSince;
  }

  /** Looks at all lanes at once: changes of gates may have been missed. */
  lookAtAll(isMeant: (lane: Lane) => boolean = () => true): void {
    for (const lane of this.#lanes.values()) {
      if (!isMeant(lane)) continue;
      lane.turn += 1;
      lane.goodUnder = undefined;
    }
    this.#mustRegister = true;
    this.#wake.abort();
  }

  /** Ends when the signal aborts and the openings under way have ended. @throws InvariantError */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    const broken: unknown[] = [];
    while (!signal.aborted && broken.length === 0) {
      this.#wake = new AbortController();
      try {
        await this.#watch(broken);
      } catch (error) {
        if (error instanceof InvariantError) throw error;
        logger.warn({ err: error }, 'lane monitor: the lanes cannot be looked at');
      }
      await clock.sleep(WATCH_MS, AbortSignal.any([signal, this.#wake.signal]));
    }
    await Promise.allSettled(this.#running.values());
    if (broken.length > 0) throw broken[0];
  }

  async #watch(broken: unknown[]): Promise<void> {
    const { clock, logger, metrics } = this.#deps;
    let isListed = false;
    try {
      isListed = await this.#list();
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      // Without order no lane opens. The lanes that close must be counted all the same, because an alert
      // hangs on the count.
      logger.warn({ err: error }, 'lane monitor: order does not list the sales');
    }
    await this.#closeMoving();
    const { toLookAt, unreachable } = this.#choose();
    const closed: ClosedLane[] = [];
    for (let start = 0; start < toLookAt.length; start += LOOK_LANES_MAX) {
      closed.push(...(await this.#lookAt(toLookAt.slice(start, start + LOOK_LANES_MAX))));
    }
    // Lanes that fail again and again must not keep the others from their turn.
    const failuresOf = ({ lane }: ClosedLane) => this.#failures.get(formatLane(lane))?.count ?? 0;
    for (const { lane, distrustedEpoch } of closed.sort((a, b) => failuresOf(a) - failuresOf(b))) {
      const name = formatLane(lane);
      const isDue = (this.#failures.get(name)?.until ?? 0) <= clock.now();
      if (isDue && !this.#running.has(name) && this.#running.size < OPENING_MAX) {
        void this.#attempt(lane, distrustedEpoch, broken);
      }
    }
    metrics.closedLanes.set(unreachable + closed.length);
    if (isListed) await this.#register();
  }

  /** The lanes that are not known to be open, and the next few of the others. */
  #choose(): { toLookAt: ListedLane[]; unreachable: number } {
    const { connections } = this.#deps;
    const toLookAt: ListedLane[] = [];
    const sweptMax = Math.ceil((this.#lanes.size * WATCH_MS) / SWEEP_MS);
    const sweptTo = this.#swept + sweptMax;
    let unreachable = 0;
    let index = 0;
    for (const lane of this.#lanes.values()) {
      const runId = connections.find(lane)?.runId;
      const isGood = lane.goodUnder === runId && lane.epoch >= lane.saleEpoch;
      const isSwept = index >= this.#swept && index < sweptTo;
      // Nothing is sold while the Redis of the lane is not known.
      if (runId === undefined) {
        unreachable += lane.mayRetire ? 0 : 1;
        lane.closedSince ??= Date.now();
      } else {
        // Its Redis was away and is the same again: the lane is as open as it was.
        if (isGood) delete lane.closedSince;
        if (!isGood || isSwept) toLookAt.push(lane);
      }
      index += 1;
    }
    this.#swept = sweptTo >= this.#lanes.size ? 0 : sweptTo;
    return { toLookAt, unreachable };
  }

  /** @returns the lanes that do not sell, or must not. */
  async #lookAt(lanes: ListedLane[]): Promise<ClosedLane[]> {
    const { connections, marks } = this.#deps;
    // Taken before Redis is asked, all three.
    const marksNow = marks.copy(lanes);
    const turns = lanes.map(({ turn }) => turn);
    const runIds = lanes.map((lane) => connections.find(lane)?.runId);
    const states = await this.#readStates(lanes);
    const closed: ClosedLane[] = [];
    for (const [index, lane] of lanes.entries()) {
      const state = states[index];
      const wasGood = lane.goodUnder !== undefined;
      lane.goodUnder = undefined;
      // The lane cannot be looked at, and does not sell.
      if (state === undefined) {
        if (!lane.mayRetire) closed.push({ lane, distrustedEpoch: 0 });
        lane.closedSince ??= Date.now();
        continue;
      }
      lane.epoch = state.epoch;
      lane.isThere = state.gate !== 'missing';
      const isBehind =
        state.gate === 'open' &&
        (this.#broken.has(formatLane(lane)) || this.#isBehind(lane, state, marksNow));
      // The relay has retired this lane.
      const isRetired = state.gate === 'missing' && lane.mayRetire && state.outbox + state.leftHolds === 0;
      if (isRetired) lane.epoch = lane.saleEpoch;
      if ((state.gate === 'open' && !isBehind) || isRetired) {
        if (lane.turn === turns[index]) lane.goodUnder = runIds[index];
        delete lane.closedSince;
        continue;
      }
      closed.push({ lane, distrustedEpoch: isBehind ? state.epoch : 0 });
      lane.closedSince ??= Date.now();
      // Nobody told of it, so the other lanes of this Redis may have gone the same way.
      if (wasGood && state.gate === 'missing') {
        const connection = connections.find(lane);
        this.lookAtAll((other) => connections.find(other) === connection);
      }
    }
    return closed;
  }

  /**
   * Puts the lanes that are there on the list, when the list is shorter than that or may be another one.
   */
  async #register(): Promise<void> {
    const { connections } = this.#deps;
    const there = [...this.#lanes.values()].filter(({ isThere }) => isThere);
    if (!this.#mustRegister && (await countLanes(connections)) >= there.length) return;
    for (let start = 0; start < there.length; start += LOOK_LANES_MAX) {
      await registerLanes(connections, there.slice(start, start + LOOK_LANES_MAX));
    }
    this.#mustRegister = false;
  }

  /**
   * Closes the lanes whose keys are moving to another node, so that they are loaded anew whatever becomes of
   * the move. A move may end where it began, and leave keys behind under the identity of before (INV-4).
   */
  async #closeMoving(): Promise<void> {
    const { connections, logger } = this.#deps;
    if (!connections.isCluster) return;
    for (const lane of this.#lanes.values()) {
      if (!connections.isMoving(lane)) continue;
      lane.goodUnder = undefined;
      try {
        await closeLane(connections, lane);
      } catch (error) {
        // The state of the lane has left already. Where it arrives it is stale, because another Redis serves
        // it.
        logger.warn({ err: error, ...lane }, 'lane monitor: a lane on its way cannot be closed here');
      }
    }
  }

  /**
   * The state of each lane, undefined where Redis is away: a node that is away says nothing about the lanes
   * of others.
   */
  async #readStates(lanes: ListedLane[]): Promise<(LaneState | undefined)[]> {
    const { opener, logger } = this.#deps;
    const readings = await Promise.allSettled(lanes.map((lane) => opener.readState(lane)));
    const failed = readings.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
    const broken = failed.find((error) => error instanceof InvariantError);
    if (broken !== undefined) throw broken;
    if (failed.length > 0) {
      logger.warn({ err: failed[0], count: failed.length }, 'lane monitor: some lanes cannot be looked at');
    }
    return readings.map((one) => (one.status === 'fulfilled' ? one.value : undefined));
  }

  /**
   * A lane that is open and must be loaded anew all the same. Another process opened the lane, and could not
   * know that it is behind what this process acknowledged, or that it was behind when it was opened and has
   * sold past that since. Or a rebuilder raised the epoch and did not load the lane.
   */
  #isBehind(lane: ListedLane, state: LaneState, marksNow: HighWaterMarks): boolean {
    const { epoch, openedSequence } = state;
    const wasBehind = this.#marksBefore.isAhead(lane, { epoch, sequence: openedSequence });
    return wasBehind || marksNow.isAhead(lane, state) || epoch < lane.saleEpoch;
  }

  /** Lists the sales when it is time to. @returns whether it was. */
  async #list(): Promise<boolean> {
    const { orderClient, clock, marks } = this.#deps;
    if (clock.now() - this.#listedAt < LIST_MS) return false;
    const sales = await orderClient.listSales();
    const listed = new Map<string, ListedLane>();
    for (const lane of sales.flatMap(lanesOf)) {
      const name = formatLane(lane);
      const known = this.#lanes.get(name);
      const { mayRetire, saleEpoch } = lane;
      listed.set(name, known === undefined ? lane : Object.assign(known, { mayRetire, saleEpoch }));
    }
    this.#lanes = listed;
    this.#listedAt = clock.now();
    marks.keepOnly(listed);
    this.#marksBefore.keepOnly(listed);
    for (const name of this.#failures.keys()) if (!listed.has(name)) this.#failures.delete(name);
    for (const name of this.#broken) if (!listed.has(name)) this.#broken.delete(name);
    return true;
  }

  /**
   * Never throws: a failure delays the next attempt. An InvariantError goes to `broken`, and ends the run.
   */
  async #attempt(lane: Lane, distrustedEpoch: number, broken: unknown[]): Promise<void> {
    const { clock, logger, random, metrics } = this.#deps;
    const name = formatLane(lane);
    try {
      const isForced = this.#broken.has(name);
      await this.ensureOpen(lane, { distrustedEpoch, ...(isForced ? { isForced } : {}) });
      if (isForced) this.#broken.delete(name);
      this.#failures.delete(name);
    } catch (error) {
      if (error instanceof InvariantError) {
        broken.push(error);
        this.#wake.abort();
        return;
      }
      // Another process works on the lane. The next round looks again.
      if (error instanceof LaneError && error.code === 'SECKILL_LANE_KEPT') return;
      const count = (this.#failures.get(name)?.count ?? 0) + 1;
      this.#failures.set(name, { count, until: clock.now() + backoffMs(count, { ...BACKOFF, random }) });
      if (error instanceof OrderError && error.code === 'SECKILL_ORDER_GONE') return;
      metrics.failures.inc();
      logger.warn({ err: error, ...lane, attempt: count }, 'lane monitor: the lane stays closed');
    }
  }
}

function lanesOf({ saleId, epoch, mayRetire, lanes }: SaleToLoad): ListedLane[] {
  return Array.from({ length: lanes }, (_, lane) => ({
    saleId,
    lane,
    mayRetire,
    saleEpoch: epoch,
    goodUnder: undefined,
    epoch: 0,
    isThere: false,
    turn: 0,
  }));
}
