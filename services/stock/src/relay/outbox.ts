import { toMilliseconds } from '../redis/connection.ts';
import type { Connections } from '../redis/connections.ts';
import { countHolds } from '../redis/holds.ts';
import { laneKeys, scriptKeys, type Lane } from '../redis/keys.ts';

/** One entry, as an XADD of reserve.lua wrote it. */
export interface OutboxEntry {
  /** `<epoch>-<sequence>` */
  id: string;
  record: string;
  traceparent?: string;
  /** When the units were taken again, by Redis' clock; absent of a reservation, whose record tells. */
  retakenAt?: number;
}

export interface OutboxReading {
  /** The oldest entries, in order. */
  entries: OutboxEntry[];
  /** The number of all entries that wait. */
  length: number;
  /** Redis' clock, milliseconds since the epoch. */
  now: number;
}

/** The outbox of a lane as the relay uses it; everything throws ioredis' error or UnservedError when Redis
 * cannot be asked. */
export interface Outbox {
  /** Takes or renews the lease. False: another relay has it. */
  lease(lane: Lane, token: string, leaseMs: number): Promise<boolean>;
  release(lane: Lane, token: string): Promise<void>;
  read(lane: Lane, countMax: number): Promise<OutboxReading>;
  /** The number of all entries that wait. */
  length(lane: Lane): Promise<number>;
  /** Whether the lane has entries, or holds that may have to be looked through. */
  isBusy(lane: Lane): Promise<boolean>;
  /**
   * Removes everything up to this entry.
   * @returns false: the lease is not ours, and nothing was removed.
   */
  trim(lane: Lane, token: string, entryId: string): Promise<boolean>;
}

export function createOutbox(connections: Pick<Connections, 'of'>): Outbox {
  return {
    async lease(lane, token, leaseMs) {
      return (await connections.of(lane).redis.lease(scriptKeys('lease', lane), token, leaseMs)) === 1;
    },
    async release(lane, token) {
      await connections.of(lane).redis.lease(scriptKeys('lease', lane), token, 0);
    },
    async read(lane, countMax) {
      const { outbox } = laneKeys(lane);
      const { redis } = connections.of(lane);
      // No consumer group: XREADGROUP would write 188 bytes to the AOF per entry, XRANGE writes none (D2).
      const [entries, length, time] = await Promise.all([
        redis.xrange(outbox, '-', '+', 'COUNT', countMax),
        redis.xlen(outbox),
        redis.time(),
      ]);
      return {
        entries: entries.map(([id, fields]) => toEntry(id, fields)),
        length,
        now: toMilliseconds(time),
      };
    },
    async length(lane) {
      return connections.of(lane).redis.xlen(laneKeys(lane).outbox);
    },
    async isBusy(lane) {
      const connection = connections.of(lane);
      const [entryCount, holdCount] = await Promise.all([
        connection.redis.xlen(laneKeys(lane).outbox),
        // What stands in the place of the holds must not keep entries from Kafka.
        countHolds(connection, lane).catch((error: unknown) => ({ error })),
      ]);
      if (entryCount > 0) return true;
      if (typeof holdCount === 'object') throw holdCount.error;
      return holdCount > 0;
    },
    async trim(lane, token, entryId) {
      return (await connections.of(lane).redis.trim(scriptKeys('trim', lane), token, entryId)) >= 0;
    },
  };
}

function toEntry(id: string, fields: string[]): OutboxEntry {
  const byName = new Map<string, string>();
  for (let index = 0; index < fields.length; index += 2) {
    byName.set(fields[index] ?? '', fields[index + 1] ?? '');
  }
  const traceparent = byName.get('traceparent');
  const retakenAt = byName.get('at');
  return {
    id,
    record: byName.get('record') ?? '',
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(retakenAt === undefined ? {} : { retakenAt: Number(retakenAt) }),
  };
}
