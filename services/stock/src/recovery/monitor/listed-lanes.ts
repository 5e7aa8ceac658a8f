import type { Clock } from '@seckill/runtime';
import type { OrderClient } from '../../order-client.ts';
import type { Connections } from '../../redis/connections.ts';
import { formatLane, type Lane } from '../../redis/keys.ts';
import { listedLanesOf, type ListedLane } from './listed-lane.ts';

/**
 * Between two rounds. A round looks at the lanes that are not known to be open under the Redis of now, and at
 * a few others in turn. Looking at all lanes took 10 commands a second for each (500 idle sales).
 */
export const WATCH_MS = 500;
/**
 * Every lane is looked at once in this time though nothing was told of it. The scripts tell every change of a
 * gate, and who is turned away by a closed lane has it looked at. So this finds only a lane that was removed
 * by hand and that nobody asks for. One lane a round also finds FLUSHALL, which takes all of them.
 */
const SWEEP_MS = 300_000;
/** A new sale comes by its control state. The list finds what Redis lost without anyone telling. */
const LIST_MS = 5_000;

export interface ListedLanesDeps {
  orderClient: Pick<OrderClient, 'listSales'>;
  connections: Pick<Connections, 'find'>;
  clock: Clock;
}

/** The lanes that order lists, and which of them a round looks at. */
export class ListedLanes {
  readonly #deps: ListedLanesDeps;
  #lanes = new Map<string, ListedLane>();
  /** Where the sweep goes on. */
  #swept = 0;
  #listedAt = Number.NEGATIVE_INFINITY;

  constructor(deps: ListedLanesDeps) {
    this.#deps = deps;
  }

  find(lane: Lane): ListedLane | undefined {
    return this.#lanes.get(formatLane(lane));
  }

  all(): ListedLane[] {
    return [...this.#lanes.values()];
  }

  /** Order is asked for the list in the next round, however short ago that was. */
  listAnew(): void {
    this.#listedAt = Number.NEGATIVE_INFINITY;
  }

  /**
   * Lists the sales when it is time to.
   * @returns the lanes by their names; undefined: it was not time.
   * @throws as OrderClient.listSales
   */
  async list(): Promise<ReadonlyMap<string, ListedLane> | undefined> {
    const { orderClient, clock } = this.#deps;
    if (clock.now() - this.#listedAt < LIST_MS) return undefined;
    const sales = await orderClient.listSales();
    const listed = new Map<string, ListedLane>();
    for (const lane of sales.flatMap(listedLanesOf)) {
      const name = formatLane(lane);
      const known = this.#lanes.get(name);
      const { mayRetire, saleEpoch } = lane;
      listed.set(name, known === undefined ? lane : Object.assign(known, { mayRetire, saleEpoch }));
    }
    this.#lanes = listed;
    this.#listedAt = clock.now();
    return listed;
  }

  /**
   * What was seen of the lane counts no more, and the next round looks at it.
   * @returns whether it was seen open.
   */
  mustBeSeen(lane: Lane): boolean {
    const listed = this.find(lane);
    if (listed === undefined) return false;
    listed.turn += 1;
    const wasGood = listed.goodUnder !== undefined;
    listed.goodUnder = undefined;
    return wasGood;
  }

  /** The lanes that are not known to be open, and the next few of the others. */
  choose(): { toLookAt: ListedLane[]; unreachable: number } {
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
        // The lane's Redis was away and is the same again: the lane is as open as it was.
        if (isGood) delete lane.closedSince;
        if (!isGood || isSwept) toLookAt.push(lane);
      }
      index += 1;
    }
    this.#swept = sweptTo >= this.#lanes.size ? 0 : sweptTo;
    return { toLookAt, unreachable };
  }
}
