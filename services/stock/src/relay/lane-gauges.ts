import type { Clock, Logger } from '@seckill/runtime';
import { TELLERS_CHANNEL } from '../change-feed.ts';
import { isBrokenLane } from '../lane-content-error.ts';
import type { Connections } from '../redis/connections.ts';
import { formatLane, type Lane } from '../redis/keys.ts';
import { readLaneState } from '../redis/lane-state.ts';
import type { RelayMetrics } from './metrics.ts';

const UNIT_STATES = ['total', 'available', 'held', 'paid'] as const;
/** Between two readings of a lane that sleeps and changes. Prometheus asks every 5 s. */
const READ_EVERY_MS = 1_000;
/** Lanes that are read together, with one call of inspect.lua each. */
const READ_LANES_MAX = 500;
/** Nothing is due then: the wait ends when a lane changes. */
const WAIT_MS = 60_000;

export interface LaneGaugesDeps {
  connections: Pick<Connections, 'of'>;
  metrics: Pick<RelayMetrics, 'units' | 'outboxEntries' | 'outboxOldestSeconds'>;
  clock: Clock;
  logger: Logger;
  /** The relay's, which no other has. */
  token: string;
}

interface Told {
  lane: Lane;
  /** A loop of this process serves the lane, and reads the units by itself. */
  isAwake: boolean;
  /** The lane has changed since its units were read. */
  isStale: boolean;
}

/**
 * The gauges of lanes. The relay that had the lease of a lane last tells of it, and no other, so each lane is
 * told of once. That relay goes on while the lane sleeps: a sale that is sold out has no more reservations,
 * but its holds are paid or end for minutes. A lane that sleeps is read again when it has changed, and costs
 * nothing otherwise. There are as many series as lanes that sold and were not retired.
 */
export class LaneGauges {
  readonly #deps: LaneGaugesDeps;
  readonly #told = new Map<string, Told>();
  #change = new AbortController();

  constructor(deps: LaneGaugesDeps) {
    this.#deps = deps;
  }

  /** This relay has the lease now. Who told of the lane before hears so, and stops. */
  begin(lane: Lane): void {
    const name = formatLane(lane);
    const told = this.#told.get(name);
    if (told !== undefined) {
      told.isAwake = true;
      return;
    }
    this.#told.set(name, { lane, isAwake: true, isStale: true });
    const { connections, logger, token } = this.#deps;
    const telling = async () => connections.of(lane).redis.publish(TELLERS_CHANNEL, `${name} ${token}`);
    // Unheard, two relays tell of the lane, with the same numbers, until its next reservation.
    telling().catch((error: unknown) => {
      logger.debug({ err: error, ...lane }, 'relay could not say that it tells of the lane');
    });
  }

  /** The loop of the lane has ended. What has changed since its last reading is read. */
  sleep(lane: Lane): void {
    const told = this.#told.get(formatLane(lane));
    if (told === undefined) return;
    told.isAwake = false;
    if (told.isStale) this.#change.abort();
  }

  /** Something other than a reservation has changed the lane. A reservation wakes it. */
  note(lane: Lane): void {
    const told = this.#told.get(formatLane(lane));
    if (told === undefined) return;
    told.isStale = true;
    if (!told.isAwake) this.#change.abort();
  }

  /** Changes may have been missed. */
  noteAll(): void {
    for (const { lane } of this.#told.values()) this.note(lane);
  }

  /** A relay tells of the lane from now on. While the lane is awake here, the lease decides. */
  hear(lane: Lane, token: string): void {
    if (token === this.#deps.token) return;
    if (this.#told.get(formatLane(lane))?.isAwake === false) this.drop(lane);
  }

  drop(lane: Lane): void {
    const { units, outboxEntries, outboxOldestSeconds } = this.#deps.metrics;
    const name = formatLane(lane);
    this.#told.delete(name);
    outboxEntries.remove({ lane: name });
    outboxOldestSeconds.remove({ lane: name });
    for (const state of UNIT_STATES) units.remove({ lane: name, state });
  }

  /** Drops all others: they were retired. */
  keep(names: ReadonlySet<string>): void {
    for (const [name, { lane }] of this.#told) if (!names.has(name)) this.drop(lane);
  }

  /**
   * Tells how many units of the lane are in which state.
   * @throws ioredis' error, UnservedError, LaneContentError.
   */
  async observe(lane: Lane): Promise<void> {
    const name = formatLane(lane);
    const told = this.#told.get(name);
    if (told === undefined) return;
    told.isStale = false;
    const { connections, metrics } = this.#deps;
    try {
      // An identity that is not known makes the gate stale, and leaves the counts as they are.
      const { redis, runId = '' } = connections.of(lane);
      const { gate, items } = await readLaneState(redis, runId, lane);
      // Meanwhile another relay tells of it, or it was retired.
      if (this.#told.get(name) !== told) return;
      for (const state of UNIT_STATES) {
        // A lane that is not there has no units, which is not the same as none of them.
        if (gate === 'missing') metrics.units.remove({ lane: name, state });
        else
          metrics.units.set(
            { lane: name, state },
            items.reduce((sum, item) => sum + item[state], 0),
          );
      }
    } catch (error) {
      told.isStale = true;
      throw error;
    }
  }

  /** Reads the lanes that sleep and have changed, until the signal aborts. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    while (!signal.aborted) {
      this.#change = new AbortController();
      const stale = [...this.#told.values()].filter(({ isAwake, isStale }) => isStale && !isAwake);
      for (let start = 0; start < stale.length; start += READ_LANES_MAX) {
        await Promise.all(stale.slice(start, start + READ_LANES_MAX).map((told) => this.#read(told)));
      }
      if (stale.length > 0) await clock.sleep(READ_EVERY_MS, signal);
      else await clock.sleep(WAIT_MS, AbortSignal.any([signal, this.#change.signal]));
    }
  }

  async #read(told: Told): Promise<void> {
    const { lane } = told;
    try {
      await this.observe(lane);
    } catch (error) {
      // The lane is read again in a second. One that is broken stays so until a person has mended it.
      if (error instanceof Error && isBrokenLane(error)) told.isStale = false;
      this.#deps.logger.debug({ err: error, ...lane }, 'units of a lane that sleeps cannot be read');
    }
  }
}
