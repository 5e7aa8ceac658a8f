import { LIMITS, parseSnapshotOrders, type Snapshot, type SnapshotPage } from '@seckill/contracts';
import { InvariantError } from '@seckill/runtime';
import { toLoadArguments, toLoadOrder, type LoadOrder } from '../redis/hold-record.ts';
import { laneKeys, scriptKeys, type Lane } from '../redis/keys.ts';
import { registerLanes } from '../redis/lane-registry.ts';
import type { RecoveryDeps } from './deps.ts';
import type { DrainedLane } from './drained-lane.ts';
import { connectionTo } from './lane-connection.ts';
import { LaneError } from './lane-error.ts';

type LoadDeps = Pick<
  RecoveryDeps,
  'connections' | 'orderClient' | 'marks' | 'lease' | 'clock' | 'logger' | 'metrics' | 'onStep'
>;

/**
 * Chunks on their way to Redis at once. With one, Redis waits for stock and stock for Redis' disk. Each of
 * them keeps Redis busy for 3.4 ms (docs/operating/recovery.md has the figures).
 */
const LOADS_MAX = 2;
/** An id of the outbox with an epoch beyond this is nobody's of ours, and must not use up the epochs. */
const OUTBOX_EPOCH_MAX = LIMITS.epochMax / 2;
/** A load takes minutes for millions of orders. Whoever waits for it wants to see that it goes on. */
const SHOWN_MS = 5_000;

/**
 * Loads the lane anew from a snapshot of order, under a higher epoch (docs/recovery.md, "Rebuild").
 * @returns what the snapshot may not have seen; the orders are not kept.
 * @throws LaneError when another process has loaded or opened the lane since; OrderError, UpstreamError.
 */
export async function loadLane(
  deps: LoadDeps,
  lane: Lane,
  drained: DrainedLane,
): Promise<Pick<Snapshot, 'since'>> {
  const snapshot = await takeSnapshot(deps, lane, drained);
  await createLane(deps, lane);
  await loadPages(deps, lane, snapshot);
  return { since: snapshot.since };
}

async function takeSnapshot(
  { connections, orderClient, marks, onStep }: LoadDeps,
  lane: Lane,
  { state, ends }: DrainedLane,
): Promise<Snapshot> {
  onStep('snapshot', lane);
  // Redis and Postgres may both have been put back. An epoch that buyers were told "reserved" under must not
  // come again.
  const above = Math.max(state.epoch, marks.epochOf(lane), await readOutboxEpoch(connections, lane));
  return orderClient.takeSnapshot(lane.saleId, { above, ...(ends && { ends }) });
}

/** The epoch of the last id that the outbox ever had, below which it takes no entry; 0: none of ours. */
async function readOutboxEpoch(connections: LoadDeps['connections'], lane: Lane): Promise<number> {
  const { redis } = connectionTo(connections, lane);
  const { outbox } = laneKeys(lane);
  if ((await redis.exists(outbox)) === 0) return 0;
  const facts = (await redis.xinfo('STREAM', outbox)) as unknown[];
  const epoch = Number(String(facts[facts.indexOf('last-generated-id') + 1]).split('-')[0]);
  return epoch <= OUTBOX_EPOCH_MAX ? epoch : 0;
}

/**
 * Creates the lane if there is none; one that is closed stays as it is. The lane is registered before it
 * exists, because nobody would relay the outbox of a lane that nobody lists. The lane is registered again
 * afterwards, because a relay that found the lane missing in between has taken it off the list
 * (lane-registry.ts).
 */
async function createLane({ connections }: LoadDeps, lane: Lane): Promise<void> {
  await registerLanes(connections, [lane]);
  const { redis, runId } = connectionTo(connections, lane);
  await redis.close(scriptKeys('close', lane), runId, '0');
  await registerLanes(connections, [lane]);
}

/**
 * Each page is a chunk of its own. Order reads the next page while this one is made a chunk, and Redis loads
 * the one before, so that neither side ever holds more of a sale than a few pages. Redis takes the chunks in
 * the order they were sent in, and refuses one whose predecessor it refused.
 */
async function loadPages(deps: LoadDeps, lane: Lane, snapshot: Snapshot): Promise<void> {
  const { orderClient, onStep } = deps;
  const progress = startProgress(deps, { ...lane, epoch: snapshot.epoch });
  const loads: Promise<void>[] = [];
  let page: SnapshotPage = snapshot;
  try {
    for (let chunk = 0; ; chunk += 1) {
      onStep('load', lane);
      const { after } = page;
      const next = after === undefined ? undefined : orderClient.readSnapshotPage(lane.saleId, after);
      // The next page is awaited below, unless this page fails before.
      next?.catch(() => undefined);
      const load = loadChunk(deps, lane, snapshot, page, chunk).then(progress.note);
      load.catch(() => undefined);
      loads.push(load);
      if (loads.length === LOADS_MAX) await loads.shift();
      if (next === undefined) break;
      page = await next;
    }
    await Promise.all(loads);
  } finally {
    // The lease is given back next. What was sent under it must not come after that.
    await Promise.allSettled(loads);
  }
  progress.end();
}

/** @returns the number of its orders. */
async function loadChunk(
  { connections, lease }: LoadDeps,
  lane: Lane,
  { epoch, control }: Snapshot,
  page: SnapshotPage,
  chunk: number,
): Promise<number> {
  const orders = readOrders(page, control.currency);
  const renewing = lease.renew(lane);
  // The lease is awaited below, unless the chunk fails before.
  renewing.catch(() => undefined);
  const [outcome] = await connectionTo(connections, lane).redis.load(
    scriptKeys('load', lane),
    epoch,
    chunk,
    page.after === undefined ? '1' : '0',
    chunk === 0 ? JSON.stringify(control) : '',
    ...toLoadArguments(orders),
  );
  // A lease that is lost ends the load, but never before the chunk beside it has ended.
  await renewing;
  // `epoch_not_higher`, `open`: another process was here since the snapshot.
  if (outcome !== 'loaded') throw new LaneError(`load.lua answered ${String(outcome)}`);
  return orders.length;
}

function readOrders({ orders }: SnapshotPage, currency: string): LoadOrder[] {
  try {
    return parseSnapshotOrders(orders).map((order) => toLoadOrder(order, currency));
  } catch (error) {
    // An order of another version or make keeps its own sale closed, and the other sales go on.
    if (!(error instanceof InvariantError || error instanceof SyntaxError)) throw error;
    throw new LaneError(`an order of the snapshot cannot be loaded: ${error.message}`);
  }
}

/** Tells in log and metrics how far a load is. */
function startProgress(
  { clock, logger, metrics }: LoadDeps,
  facts: Lane & { epoch: number },
): { note: (orders: number) => void; end: () => void } {
  const startedAt = clock.now();
  let shownAt = startedAt;
  let loaded = 0;
  const figures = (now: number) => {
    const seconds = (now - startedAt) / 1_000;
    const ordersPerSecond = seconds > 0 ? Math.round(loaded / seconds) : 0;
    return { ...facts, orders: loaded, seconds: Number(seconds.toFixed(1)), ordersPerSecond };
  };
  return {
    note(orders) {
      loaded += orders;
      metrics.loadedOrders.inc(orders);
      const now = clock.now();
      if (now - shownAt < SHOWN_MS) return;
      shownAt = now;
      logger.info(figures(now), 'lane opener: lane is being loaded');
    },
    end() {
      logger.info(figures(clock.now()), 'lane opener: lane is loaded');
    },
  };
}
