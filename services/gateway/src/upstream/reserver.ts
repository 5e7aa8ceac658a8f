import type { ReserveAnswer, ReserveItem } from '@seckill/contracts';
import { Batcher, systemClock, UpstreamError, type Logger, type Upstream } from '@seckill/runtime';
import type { UpstreamMetrics } from './metrics.ts';

export interface ReserverDeps {
  upstream: Pick<Upstream, 'call'>;
  logger: Logger;
  metrics: UpstreamMetrics;
  callsMax: number;
  batchCountMax: number;
  queueCountMax: number;
  waitMs: number;
  callMs: number;
}

/** Brings reservations to stock, many in a call. */
export interface Reserver {
  /**
   * Never rejects. A lost or late answer is `outcome_unknown`: units may have been taken, and a repeat with
   * the same key tells. What was surely not sent is `overloaded` or `sale_unavailable`.
   */
  reserve(item: ReserveItem): Promise<ReserveAnswer>;
  /** Answers everything that was taken. */
  close(): Promise<void>;
}

export function createReserver(deps: ReserverDeps): Reserver {
  const { upstream, logger, metrics, ...bounds } = deps;
  const batcher = new Batcher<ReserveItem, ReserveAnswer>({
    ...bounds,
    clock: systemClock,
    send: (items, signal) => {
      metrics.batchItems.observe(items.length);
      return callStock(upstream, items, signal);
    },
    overloaded: { outcome: 'overloaded' },
    unknown: { outcome: 'outcome_unknown' },
    onFailure: (error) => {
      metrics.batchFailures.inc();
      logger.warn({ err: error }, 'a batch of reservations failed');
    },
  });
  return {
    reserve: (item) => batcher.add(item),
    close: () => batcher.close(),
  };
}

/** @throws UpstreamError, and Error for an answer that may have come after the script ran. */
async function callStock(
  upstream: Pick<Upstream, 'call'>,
  items: ReserveItem[],
  signal: AbortSignal,
): Promise<ReserveAnswer[]> {
  try {
    const { status, body } = await upstream.call({
      method: 'POST',
      path: '/internal/reservations',
      body: items,
      signal,
    });
    if (status === 200 && Array.isArray(body)) return body as ReserveAnswer[];
    // A refused credential or a malformed batch is our own mistake. We were told before anything was done.
    if (status >= 400 && status < 500) return items.map(() => ({ outcome: 'internal' }));
    throw new Error(`stock answered ${status}`);
  } catch (error) {
    if (!(error instanceof UpstreamError) || error.code !== 'SECKILL_UPSTREAM_UNREACHABLE') throw error;
    return items.map(() => ({ outcome: 'sale_unavailable', missing: false }));
  }
}
