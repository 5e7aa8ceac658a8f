import { setTimeout as sleep } from 'node:timers/promises';
import { parseReservationId } from '@seckill/contracts';
import { splitSuffix } from '@seckill/stock/redis/reservation-id';
import type { EngineReader } from '../engines/engines.ts';
import type { OrderRow } from '../engines/rows.ts';

const INTERVAL_MS = 50;

/**
 * Times from the end of an unpaid hold until its units are for sale, in milliseconds. Each is too long by at
 * most the time between two readings: 50 ms, and more where this process is kept from reading.
 */
export interface ResaleDelays {
  count: number;
  p50: number;
  max: number;
  /**
   * The longest time that is proven: the hold was still seen then. The measured time is too short by that
   * time at most.
   */
  provenMax: number;
}

/** Redis' times of the readings around the end of a hold. */
interface Gone {
  seenAt: number;
  goneAt: number;
}

/**
 * Looks at the holds in Redis all the time and notes when each is gone, by Redis' own clock. The units come
 * back in the same atomic step. Compared with the end that Postgres stored, this instant tells how long units
 * were out of the shop (INV-5). No service's own figures have to be believed.
 * @returns a function that stops looking. The orders can be measured after that.
 */
export function watchHolds(
  engines: EngineReader,
  saleIds: string[],
): () => Promise<(orders: OrderRow[]) => ResaleDelays | undefined> {
  const abort = new AbortController();
  const gone = new Map<string, Gone>();

  async function watch(saleId: string): Promise<void> {
    let present = new Set<string>();
    let seenAt = 0;
    while (!abort.signal.aborted) {
      const { now, holds } = await engines.holds(saleId);
      for (const keyHash of present) {
        if (!holds.has(keyHash)) gone.set(`${saleId}.${keyHash}`, { seenAt, goneAt: now });
      }
      [present, seenAt] = [holds, now];
      await sleep(INTERVAL_MS);
    }
  }

  const loops = Promise.all(saleIds.map(watch));
  return async () => {
    abort.abort();
    await loops;
    return (orders) => measure(orders, gone);
  };
}

/** Measures the holds that ended unpaid. The function is pure, so that a test can bend what was read. */
export function measure(orders: OrderRow[], gone: Map<string, Gone>): ResaleDelays | undefined {
  const ended = orders
    .filter(({ status }) => status === 'cancelled' || status === 'expired')
    .flatMap((row) => {
      const times = gone.get(`${row.sale_id}.${keyHashOf(row)}`);
      // An expired hold ends at its planned end, whenever anyone noticed.
      const end = row.status === 'expired' ? row.expires_at : row.ended_at;
      return times === undefined || end === null
        ? []
        : [{ atMost: times.goneAt - end.getTime(), proven: times.seenAt - end.getTime() }];
    });
  const delays = ended.map(({ atMost }) => atMost).sort((a, b) => a - b);
  const [p50, max] = [delays[Math.floor(delays.length / 2)], delays.at(-1)];
  if (p50 === undefined || max === undefined) return undefined;
  return { count: delays.length, p50, max, provenMax: Math.max(...ended.map(({ proven }) => proven)) };
}

/** The Redis field of the order's hold. */
function keyHashOf({ id }: OrderRow): string {
  return splitSuffix(parseReservationId(id)?.suffix ?? '').keyHash;
}
