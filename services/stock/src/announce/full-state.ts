import { FULL_RESERVATIONS_MAX, type FullState } from '@seckill/contracts';
import { saltedKeyHash } from '@seckill/runtime';
import type { Connection } from '../redis/connection.ts';
import type { Connections } from '../redis/connections.ts';
import { readLaneState, toStockState } from '../redis/lane-state.ts';
import { laneKeys, STAMP, type Lane } from '../redis/keys.ts';
import { keyOf } from '../redis/hold-record.ts';

/**
 * Fields in one step. This bounds what one answer takes of Redis' time, so that reservations go on in
 * between.
 */
const SCAN_COUNT = 1_000;

/** Reads a lane whole, for a gateway that has a gap or has just started. */
export class FullStates {
  readonly #connections: Pick<Connections, 'of'>;
  readonly #countMax: number;
  readonly #onTorn: (lane: Lane) => void;
  readonly #readings = new Map<string, Promise<FullState>>();

  constructor(
    connections: Pick<Connections, 'of'>,
    onTorn: (lane: Lane) => void,
    countMax = FULL_RESERVATIONS_MAX,
  ) {
    this.#connections = connections;
    this.#onTorn = onTorn;
    this.#countMax = countMax;
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
   * Reads the state first, then the records: what was reserved up to its sequence has a record by then, and
   * keeps it.
   */
  async #read(lane: Lane): Promise<FullState> {
    // While the identity is not known, '' stands for it. No lane was opened under '', so an open gate reads
    // as stale.
    const { redis, runId: salt = '' } = this.#connections.of(lane);
    const before = await readLaneState(redis, salt, lane);
    const keys = laneKeys(lane);
    const [fields, ...counts] = await Promise.all([
      redis.hkeys(keys.state),
      redis.hlen(keys.holds),
      redis.hlen(keys.keys),
    ]);
    const channels = fields.filter((field) => field.endsWith(':cap')).map((field) => field.slice(0, -4));
    const full: FullState = { ...toStockState(lane, before), channels, salt };
    if (before.gate !== 'open' || counts[0] + counts[1] > this.#countMax) return full;
    const hashes: number[] = [];
    // The order matters: a record that moves meanwhile moves from holds to keys, and is met in one of them.
    for (const key of [keys.holds, keys.keys]) await this.#scanKeys(redis, key, salt, hashes);
    // If a load came in between, it has emptied the hash that was being read.
    const after = await readLaneState(redis, salt, lane);
    // A set that lacks a part would make a gateway say "sold out" to a buyer who has a unit (INV-4).
    if (after.isTorn) this.#onTorn(lane);
    const isWhole = after.gate === 'open' && after.epoch === before.epoch && !after.isTorn;
    if (!isWhole || hashes.length > this.#countMax) return full;
    return { ...full, reservations: encodeHashes(hashes) };
  }

  /** Appends the hash of each record. HSCAN may name a record twice, which does no harm. */
  async #scanKeys(redis: Connection['redis'], key: string, salt: string, hashes: number[]): Promise<void> {
    let cursor = '0';
    do {
      const [next, pairs] = await redis.hscan(key, cursor, 'COUNT', SCAN_COUNT);
      for (let index = 1; index < pairs.length; index += 2) {
        if (pairs[index - 1] === STAMP) continue;
        const { userId, idempotencyKey } = keyOf(pairs[index] ?? '');
        hashes.push(saltedKeyHash(salt, userId, idempotencyKey));
      }
      cursor = next;
    } while (cursor !== '0' && hashes.length <= this.#countMax);
  }
}

function encodeHashes(hashes: number[]): string {
  const bytes = Buffer.allocUnsafe(4 * hashes.length);
  for (const [index, hash] of hashes.entries()) bytes.writeUInt32LE(hash, 4 * index);
  return bytes.toString('base64');
}
