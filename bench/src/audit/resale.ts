import { setTimeout as sleep } from 'node:timers/promises';
import { parseReservationId } from '@seckill/contracts';
import { splitSuffix } from '@seckill/stock/redis/reservation-id';
import type { EngineReader, OrderRow } from '../engines/engines.ts';

const INTERVAL_MS = 50;

/**
 * Times from the end of an unpaid hold until its units are for sale, in milliseconds. Each is at most 50 ms
 * too long.
 */
export interface ResaleDelays {
  count: number;
  p50: number;
  max: number;
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
  const goneAt = new Map<string, number>();

  async function watch(saleId: string): Promise<void> {
    let present = new Set<string>();
    while (!abort.signal.aborted) {
      const { now, holds } = await engines.holds(saleId);
      for (const keyHash of present) if (!holds.has(keyHash)) goneAt.set(`${saleId}.${keyHash}`, now);
      present = holds;
      await sleep(INTERVAL_MS);
    }
  }

  const loops = Promise.all(saleIds.map(watch));
  return async () => {
    abort.abort();
    await loops;
    return (orders) => measure(orders, goneAt);
  };
}

function measure(orders: OrderRow[], goneAt: Map<string, number>): ResaleDelays | undefined {
  const delays = orders
    .filter(({ status }) => status === 'cancelled' || status === 'expired')
    .flatMap((row) => {
      const gone = goneAt.get(`${row.sale_id}.${keyHashOf(row)}`);
      // An expired hold ends at its planned end, whenever anyone noticed.
      const end = row.status === 'expired' ? row.expires_at : row.ended_at;
      return gone === undefined || end === null ? [] : [gone - end.getTime()];
    })
    .sort((a, b) => a - b);
  const [p50, max] = [delays[Math.floor(delays.length / 2)], delays.at(-1)];
  return p50 === undefined || max === undefined ? undefined : { count: delays.length, p50, max };
}

/** The Redis field of the order's hold. */
function keyHashOf({ id }: OrderRow): string {
  return splitSuffix(parseReservationId(id)?.suffix ?? '').keyHash;
}
