import type { BuyerAnswer, ReserveAnswer, ReserveItem } from '@seckill/contracts';
import {
  Batcher,
  systemClock,
  UpstreamError,
  type Cancellation,
  type Logger,
  type Upstream,
} from '@seckill/runtime';
import { UNKNOWN_WAIT_SECONDS } from '../rejection-problem.ts';
import type { UpstreamMetrics } from './metrics.ts';
import { SaleClocks } from './sale-clocks.ts';

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

interface CallDeps {
  upstream: Pick<Upstream, 'call'>;
  clocks: SaleClocks;
  onFailure: (error: unknown) => void;
  /** How long after its start a call may still take units. */
  timeoutMs: number;
}

/** Brings reservations to stock, many in a call. */
export interface Reserver {
  /**
   * Never rejects. A lost or late answer is `outcome_unknown`: units may have been taken, and a repeat with
   * the same key tells. What was surely not sent is `overloaded` or `sale_unavailable`.
   */
  reserve(item: ReserveItem): Promise<BuyerAnswer>;
  /** Answers everything that was taken. */
  close(): Promise<void>;
}

export function createReserver(deps: ReserverDeps): Reserver {
  const { upstream, logger, metrics, ...bounds } = deps;
  const onFailure = (error: unknown): void => {
    metrics.batchFailures.inc();
    logger.warn({ err: error }, 'a batch of reservations failed');
  };
  const call: CallDeps = {
    upstream,
    onFailure,
    clocks: new SaleClocks(),
    // The buyer hears `outcome_unknown` then, or has heard it earlier and has waited since, as it asks.
    timeoutMs: Math.min(bounds.callMs, UNKNOWN_WAIT_SECONDS * 1_000),
  };
  const batcher = new Batcher<ReserveItem, BuyerAnswer>({
    ...bounds,
    clock: systemClock,
    send: (items, cancellation) => {
      metrics.batchItems.observe(items.length);
      return callStock(call, items, cancellation);
    },
    overloaded: { outcome: 'overloaded' },
    unknown: { outcome: 'outcome_unknown' },
    onFailure,
  });
  return {
    reserve: (item) => batcher.add(item),
    close: () => batcher.close(),
  };
}

/**
 * Sends the items with their deadlines. A sale's clock that is not known is asked for by a deadline of 0:
 * stock decides everything but what would take units. Those items are sent once more, under the deadline
 * that they would have had from the start.
 * @throws UpstreamError, and Error for an answer that may have come after the script ran.
 */
async function callStock(
  { upstream, clocks, onFailure, timeoutMs }: CallDeps,
  items: ReserveItem[],
  cancellation: Cancellation,
): Promise<BuyerAnswer[]> {
  const startedAt = performance.now();
  const deadlines = () =>
    items.map(({ saleId }) => {
      const now = clocks.earliest(saleId, startedAt);
      return now === undefined ? 0 : now + timeoutMs;
    });
  const send = async (places: number[], instants: number[]): Promise<ReserveAnswer[]> => {
    const batch = places.map((place) => ({ ...items[place], deadline: instants[place] ?? 0 }));
    const answers = await postBatch(upstream, batch, cancellation);
    const heardAt = performance.now();
    // What a batch of another length means, the batcher knows.
    for (const [index, answer] of answers.entries()) {
      clocks.learn(items[places[index] ?? -1]?.saleId ?? '', answer, heardAt);
    }
    return answers;
  };
  const first = deadlines();
  const answers = await send([...items.keys()], first);
  const unasked = [...items.keys()].filter(
    (place) => first[place] === 0 && answers[place]?.outcome === 'late',
  );
  if (unasked.length > 0) {
    // The others have their answers, whatever becomes of these.
    const again = await send(unasked, deadlines()).catch((error: unknown): ReserveAnswer[] => {
      onFailure(error);
      return [];
    });
    for (const [index, place] of unasked.entries())
      answers[place] = again[index] ?? { outcome: 'outcome_unknown' };
  }
  // A caller who still listens may repeat, because nothing was taken.
  return answers.map((answer) => (answer.outcome === 'late' ? { outcome: 'overloaded' } : answer));
}

/** @throws as callStock. */
async function postBatch(
  upstream: CallDeps['upstream'],
  items: unknown[],
  cancellation: Cancellation,
): Promise<ReserveAnswer[]> {
  try {
    const { status, body } = await upstream.call({
      method: 'POST',
      path: '/internal/reservations',
      body: items,
      cancellation,
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
