import { fnv1a, FULL_USERS_MAX, type FullState } from '@seckill/contracts';
import { invariant } from '@seckill/runtime';
import type { Connection } from '../redis/connection.ts';
import type { Connections } from '../redis/connections.ts';
import { readLaneState, toStockState, type LaneState } from '../redis/lane-state.ts';
import { laneKeys, type Lane } from '../redis/keys.ts';
import { userOf } from '../redis/hold-record.ts';

/**
 * Fields in one step. This bounds what one answer takes of Redis' time, so that reservations go on in
 * between.
 */
const SCAN_COUNT = 1_000;

/** Reads a lane whole, for a gateway that has a gap or has just started. */
export class FullStates {
  readonly #connections: Pick<Connections, 'of'>;
  readonly #usersMax: number;
  readonly #readings = new Map<string, Promise<FullState>>();

  constructor(connections: Pick<Connections, 'of'>, usersMax = FULL_USERS_MAX) {
    this.#connections = connections;
    this.#usersMax = usersMax;
  }

  /**
   * Many gateways ask at once after one missed message, so they share one reading. @throws ioredis' error,
   * UnservedError.
   */
  read(lane: Lane): Promise<FullState> {
    const running = this.#readings.get(lane.saleId);
    if (running !== undefined) return running;
    const reading = this.#read(lane).finally(() => this.#readings.delete(lane.saleId));
    this.#readings.set(lane.saleId, reading);
    return reading;
  }

  /**
   * Reads the state first, then the users: whoever reserved up to its sequence has a record by then, and
   * keeps it.
   */
  async #read(lane: Lane): Promise<FullState> {
    const { redis } = this.#connections.of(lane);
    const before = await this.#readState(lane);
    const keys = laneKeys(lane);
    const [fields, ...counts] = await Promise.all([
      redis.hkeys(keys.state),
      redis.hlen(keys.holds),
      redis.hlen(keys.keys),
    ]);
    const channels = fields.filter((field) => field.endsWith(':cap')).map((field) => field.slice(0, -4));
    const full: FullState = { ...toStockState(lane, before), channels };
    if (before.gate !== 'open' || counts[0] + counts[1] > this.#usersMax) return full;
    const hashes = new Set<number>();
    // The order matters: a record that moves meanwhile moves from holds to keys, and is met in one of them.
    for (const key of [keys.holds, keys.keys]) await this.#scanUsers(redis, key, hashes);
    // If a load came in between, it has emptied the hash that was being read.
    const after = await this.#readState(lane);
    if (after.gate !== 'open' || after.epoch !== before.epoch || hashes.size > this.#usersMax) return full;
    return { ...full, users: encodeHashes(hashes) };
  }

  async #scanUsers(redis: Connection['redis'], key: string, hashes: Set<number>): Promise<void> {
    let cursor = '0';
    do {
      const [next, pairs] = await redis.hscan(key, cursor, 'COUNT', SCAN_COUNT);
      for (let index = 1; index < pairs.length; index += 2) hashes.add(fnv1a(userOf(pairs[index] ?? '')));
      cursor = next;
    } while (cursor !== '0' && hashes.size <= this.#usersMax);
  }

  async #readState(lane: Lane): Promise<LaneState> {
    // While the identity is not known, '' stands for it. No lane was opened under '', so an open gate reads
    // as stale.
    const { redis, runId = '' } = this.#connections.of(lane);
    return readLaneState(redis, runId, lane);
  }
}

function encodeHashes(hashes: Set<number>): string {
  const bytes = Buffer.allocUnsafe(4 * hashes.size);
  let offset = 0;
  for (const hash of hashes) offset = bytes.writeUInt32LE(hash, offset);
  invariant(offset === bytes.length, 'every hash is encoded');
  return bytes.toString('base64');
}
