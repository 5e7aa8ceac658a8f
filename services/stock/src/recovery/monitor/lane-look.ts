import { InvariantError, type Logger } from '@seckill/runtime';
import type { Connection } from '../../redis/connection.ts';
import type { Connections } from '../../redis/connections.ts';
import type { Lane } from '../../redis/keys.ts';
import type { LaneState } from '../../redis/lane-state.ts';
import { HighWaterMarks } from '../high-water-marks.ts';
import type { LaneOpener } from '../lane-opener.ts';
import type { ClosedLane, ListedLane } from './listed-lane.ts';

export interface LaneLookDeps {
  opener: Pick<LaneOpener, 'readState'>;
  connections: Pick<Connections, 'find'>;
  marks: HighWaterMarks;
  logger: Logger;
  /** Whether the lane is to be loaded anew whatever its gate says. */
  isForced: (lane: Lane) => boolean;
  /** A lane that was seen open is missing, and nobody told of it. */
  onVanished: (lane: Lane) => void;
}

/** What was taken before Redis was asked for the state of the lane, and the state. */
interface Look {
  marksNow: HighWaterMarks;
  turn: number;
  runId: string | undefined;
  /** Undefined: the lane cannot be looked at, and does not sell. */
  state: LaneState | undefined;
}

/** Looks at lanes: asks Redis for their states, and says which of them do not sell, or must not. */
export class LaneLook {
  readonly #deps: LaneLookDeps;
  /** The marks as they stood when the Redis of the lane became another one. */
  readonly #marksBefore = new HighWaterMarks();

  constructor(deps: LaneLookDeps) {
    this.#deps = deps;
  }

  /** Keeps the marks of the lanes of this connection as they stand now. */
  keepMarks(connection: Connection): void {
    const { marks, connections } = this.#deps;
    this.#marksBefore.take(marks, (lane) => connections.find(lane) === connection);
  }

  /** Forgets the kept marks of all lanes but these, which are given by name. */
  keepOnly(lanes: ReadonlyMap<string, Lane>): void {
    this.#marksBefore.keepOnly(lanes);
  }

  /**
   * Writes down what is seen of each lane.
   * @returns the lanes that do not sell, or must not.
   * @throws InvariantError
   */
  async lookAt(lanes: ListedLane[]): Promise<ClosedLane[]> {
    const { connections, marks } = this.#deps;
    // Taken before Redis is asked, all three.
    const marksNow = marks.copy(lanes);
    const turns = lanes.map(({ turn }) => turn);
    const runIds = lanes.map((lane) => connections.find(lane)?.runId);
    const states = await this.#readStates(lanes);
    return lanes.flatMap((lane, index) => {
      const look = { marksNow, turn: turns[index] ?? 0, runId: runIds[index], state: states[index] };
      return this.#judge(lane, look) ?? [];
    });
  }

  /** @returns undefined: the lane sells, or need not. */
  #judge(lane: ListedLane, { marksNow, turn, runId, state }: Look): ClosedLane | undefined {
    const wasGood = lane.goodUnder !== undefined;
    lane.goodUnder = undefined;
    if (state === undefined) {
      lane.closedSince ??= Date.now();
      return lane.mayRetire ? undefined : { lane, distrustedEpoch: 0 };
    }
    lane.epoch = state.epoch;
    lane.isThere = state.gate !== 'missing';
    const isBehind =
      state.gate === 'open' && (this.#deps.isForced(lane) || this.#isBehind(lane, state, marksNow));
    // The relay has retired this lane.
    const isRetired = state.gate === 'missing' && lane.mayRetire && state.outbox + state.leftHolds === 0;
    if (isRetired) lane.epoch = lane.saleEpoch;
    if ((state.gate === 'open' && !isBehind) || isRetired) {
      if (lane.turn === turn) lane.goodUnder = runId;
      delete lane.closedSince;
      return undefined;
    }
    lane.closedSince ??= Date.now();
    if (wasGood && state.gate === 'missing') this.#deps.onVanished(lane);
    return { lane, distrustedEpoch: isBehind ? state.epoch : 0 };
  }

  /**
   * A lane that is open and must be loaded anew all the same. Another process opened the lane, and could not
   * know that it is behind what this process acknowledged, or that it was behind when it was opened and has
   * sold past that since. Or a rebuilder raised the epoch and did not load the lane. Or a part of a lane of a
   * cluster is missing or old, and nobody need have met it.
   */
  #isBehind(lane: ListedLane, state: LaneState, marksNow: HighWaterMarks): boolean {
    const { epoch, openedSequence } = state;
    const wasBehind = this.#marksBefore.isAhead(lane, { epoch, sequence: openedSequence });
    return state.isTorn || wasBehind || marksNow.isAhead(lane, state) || epoch < lane.saleEpoch;
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
}
