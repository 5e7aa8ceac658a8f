import { formatLane, type Lane } from '../redis/keys.ts';

/**
 * How long after its last reservation a lane may have one that is published and not stored. That takes some
 * 120 ms; an intake that is further behind is alarmed.
 */
export const AWAKE_MS = 60_000;
/**
 * Lanes that are known at once; where more have sold, the ones that sold last. A list of 100 lanes cost
 * stock four times as much as one of a single lane, and one of 1,000 fifty times as much: a crowd that
 * looks at its orders must not take stock's time from those who buy.
 */
const LANES_MAX = 200;

/** Knows the lanes in which there may be orders without a row, from what the scripts tell of changes. */
export class AwakeLanes {
  readonly #now: () => number;
  readonly #countMax: number;
  /** By name, the one that sold longest ago first. */
  #lanes = new Map<string, { lane: Lane; sleepsAt: number }>();

  /** `now`: milliseconds, monotonic. */
  constructor(now: () => number, countMax = LANES_MAX) {
    this.#now = now;
    this.#countMax = countMax;
  }

  wake(lane: Lane): void {
    const name = formatLane(lane);
    this.#lanes.delete(name);
    this.#lanes.set(name, { lane, sleepsAt: this.#now() + AWAKE_MS });
    if (this.#lanes.size <= this.#countMax) return;
    const [oldest] = this.#lanes.keys();
    if (oldest !== undefined) this.#lanes.delete(oldest);
  }

  /**
   * Takes in as many as there is room for. Those that are known sold later, as far as anybody can tell,
   * and are the last to make room.
   */
  add(lanes: Lane[]): void {
    const sleepsAt = this.#now() + AWAKE_MS;
    const added = lanes
      .filter((lane) => !this.#lanes.has(formatLane(lane)))
      .slice(0, this.#countMax - this.#lanes.size)
      .map((lane) => [formatLane(lane), { lane, sleepsAt }] as const);
    this.#lanes = new Map([...added, ...this.#lanes]);
  }

  /** Forgets a lane, unless something was reserved in it meanwhile. */
  sleep(lane: Lane): void {
    const name = formatLane(lane);
    const known = this.#lanes.get(name);
    if (known !== undefined && known.sleepsAt <= this.#now()) this.#lanes.delete(name);
  }

  /** `isDue`: nothing was reserved for `AWAKE_MS`. Such a lane may go to sleep once its outbox is empty. */
  all(): { lane: Lane; isDue: boolean }[] {
    const now = this.#now();
    return [...this.#lanes.values()].map(({ lane, sleepsAt }) => ({ lane, isDue: sleepsAt <= now }));
  }
}
