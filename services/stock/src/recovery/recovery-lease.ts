import type { Connections } from '../redis/connections.ts';
import { laneKeys, type Lane } from '../redis/keys.ts';
import { connectionTo } from './lane-connection.ts';
import { LaneError } from './lane-error.ts';

/** The lease is renewed at every step. A process that died or sleeps holds the others up for this long. */
const LEASE_MS = 10_000;

/**
 * The right of one process to check or rebuild a lane. Safety does not hang on the lease: the fence, the
 * epoch and the sequence guard every write. The lease keeps two processes from loading against each other for
 * ever.
 */
export class RecoveryLease {
  readonly #connections: Pick<Connections, 'of'>;
  readonly #token: string;

  /**
   * @param token of this process alone: two processes with one token would both believe they hold the lease.
   */
  constructor(connections: Pick<Connections, 'of'>, token: string) {
    this.#connections = connections;
    this.#token = token;
  }

  /** Takes the lease, or renews it. @throws LaneError `kept` while another process has the lease. */
  async renew(lane: Lane): Promise<void> {
    const { redis } = connectionTo(this.#connections, lane);
    const isOurs = (await redis.lease([laneKeys(lane).recovery], this.#token, LEASE_MS)) === 1;
    if (!isOurs) throw new LaneError('another process checks or rebuilds the lane', 'kept');
  }

  async release(lane: Lane): Promise<void> {
    await this.#connections.of(lane).redis.lease([laneKeys(lane).recovery], this.#token, 0);
  }
}
