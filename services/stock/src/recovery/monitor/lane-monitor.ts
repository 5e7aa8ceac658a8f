import { InvariantError, type Clock, type Logger } from '@seckill/runtime';
import type { OrderClient } from '../../order-client.ts';
import type { Connection } from '../../redis/connection.ts';
import type { Connections } from '../../redis/connections.ts';
import type { Lane } from '../../redis/keys.ts';
import { countLanes, registerLanes } from '../../redis/lane-registry.ts';
import type { HighWaterMarks } from '../high-water-marks.ts';
import type { LaneOpener, OpenOptions } from '../lane-opener.ts';
import type { GateMetrics } from '../metrics.ts';
import { LaneLook } from './lane-look.ts';
import { LaneOpenings } from './lane-openings.ts';
import type { ClosedLane, ListedLane } from './listed-lane.ts';
import { ListedLanes, WATCH_MS } from './listed-lanes.ts';
import { closeMovingLanes } from './moving-lanes.ts';

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

/** Lanes that are looked at together. */
const LOOK_LANES_MAX = 500;

/**
 * Watches the gates of all lanes and opens those that closed: at start, under another Redis, at any other
 * time. A lane that was seen open stays open until a script closes it, and each script that does so says it,
 * or until its Redis is another one. So what is seen open once is asked about again only then.
 *
 * A round goes: list, close what moves, choose, look, open. Which lanes are looked at stands in
 * `listed-lanes.ts`, what a look finds in `lane-look.ts`, and how lanes are opened in `lane-openings.ts`.
 */
export class LaneMonitor {
  readonly #deps: LaneMonitorDeps;
  readonly #listed: ListedLanes;
  readonly #look: LaneLook;
  readonly #openings: LaneOpenings;
  /** The list of lanes in Redis may lack some: it is to be written whole. */
  #mustRegister = true;
  #wake = new AbortController();

  constructor(deps: LaneMonitorDeps) {
    this.#deps = deps;
    const { connections } = deps;
    this.#listed = new ListedLanes(deps);
    this.#openings = new LaneOpenings(deps);
    this.#look = new LaneLook({
      ...deps,
      isForced: (lane) => this.#openings.isForced(lane),
      // Nobody told of it, so the other lanes of this Redis may have gone the same way.
      onVanished: (lane) => {
        const connection = connections.find(lane);
        this.lookAtAll((other) => connections.find(other) === connection);
      },
    });
  }

  /** Returns when the lane is open, loaded after `distrustedEpoch`. @throws as LaneOpener.open */
  ensureOpen(lane: Lane, options: OpenOptions = {}): Promise<void> {
    return this.#openings.ensureOpen(lane, options);
  }

  /**
   * Looks at all lanes at once, because the Redis behind this connection was identified anew.
   * @param isOther another Redis, or another history, than before. Only then the marks of its lanes are kept
   * as they stand. The same Redis with the same history has all that it confirmed; if a lane lacks something
   * all the same, the lane's sequence shows that.
   */
  wake(connection: Connection, isOther: boolean): void {
    const { connections } = this.#deps;
    if (isOther) this.#look.keepMarks(connection);
    this.#openings.forgetFailures();
    this.#listed.listAnew();
    this.lookAtAll((lane) => connections.find(lane) === connection);
  }

  /** Looks at the lane at once: its gate has changed, or somebody was turned away there. */
  look(lane: Lane): void {
    if (this.#listed.mustBeSeen(lane)) this.#wake.abort();
  }

  /**
   * Has the lane loaded anew, at once. Until then it sells what it can.
   * @returns false: it was to be loaded anew anyway.
   */
  distrust(lane: Lane): boolean {
    const isNew = this.#openings.force(lane);
    if (this.#listed.find(lane) === undefined) this.#listed.listAnew();
    this.look(lane);
    return isNew;
  }

  /** Since when this process has seen the lane closed or out of reach; undefined: it has not. */
  closedSince(lane: Lane): number | undefined {
    return this.#listed.find(lane)?.closedSince;
  }

  /** Looks at all lanes at once: changes of gates may have been missed. */
  lookAtAll(isMeant: (lane: Lane) => boolean = () => true): void {
    for (const lane of this.#listed.all()) if (isMeant(lane)) this.#listed.mustBeSeen(lane);
    this.#mustRegister = true;
    this.#wake.abort();
  }

  /** Ends when the signal aborts and the openings under way have ended. @throws InvariantError */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    const broken: InvariantError[] = [];
    const onBroken = (error: InvariantError): void => {
      broken.push(error);
      this.#wake.abort();
    };
    while (!signal.aborted && broken.length === 0) {
      this.#wake = new AbortController();
      try {
        await this.#watch(onBroken);
      } catch (error) {
        if (error instanceof InvariantError) throw error;
        logger.warn({ err: error }, 'lane monitor: the lanes cannot be looked at');
      }
      await clock.sleep(WATCH_MS, AbortSignal.any([signal, this.#wake.signal]));
    }
    await this.#openings.end();
    const [first] = broken;
    if (first !== undefined) throw first;
  }

  /** One round. */
  async #watch(onBroken: (error: InvariantError) => void): Promise<void> {
    const isListed = await this.#list();
    await closeMovingLanes(this.#listed.all(), this.#deps);
    const { toLookAt, unreachable } = this.#listed.choose();
    const closed = await this.#lookAt(toLookAt);
    this.#openings.openDue(closed, onBroken);
    this.#deps.metrics.closedLanes.set(unreachable + closed.length);
    if (isListed) await this.#register();
  }

  /**
   * Lists the sales when it is time to, and forgets what is no longer listed.
   * @returns whether it was time.
   */
  async #list(): Promise<boolean> {
    try {
      const listed = await this.#listed.list();
      if (listed === undefined) return false;
      this.#deps.marks.keepOnly(listed);
      this.#look.keepOnly(listed);
      this.#openings.keepOnly(listed);
      return true;
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      // Without order no lane opens. The lanes that close must be counted all the same, because an alert
      // hangs on the count.
      this.#deps.logger.warn({ err: error }, 'lane monitor: order does not list the sales');
      return false;
    }
  }

  async #lookAt(lanes: ListedLane[]): Promise<ClosedLane[]> {
    const closed: ClosedLane[] = [];
    for (let start = 0; start < lanes.length; start += LOOK_LANES_MAX) {
      closed.push(...(await this.#look.lookAt(lanes.slice(start, start + LOOK_LANES_MAX))));
    }
    return closed;
  }

  /**
   * Puts the lanes that are there on the list, when the list is shorter than that or may be another one.
   */
  async #register(): Promise<void> {
    const { connections } = this.#deps;
    const there = this.#listed.all().filter(({ isThere }) => isThere);
    if (!this.#mustRegister && (await countLanes(connections)) >= there.length) return;
    for (let start = 0; start < there.length; start += LOOK_LANES_MAX) {
      await registerLanes(connections, there.slice(start, start + LOOK_LANES_MAX));
    }
    this.#mustRegister = false;
  }
}
