import type { Snapshot, SnapshotPage } from '@seckill/contracts';
import { InvariantError } from '@seckill/runtime';
import { toLoadOrder } from '../redis/hold-record.ts';
import { scriptKeys, type Lane } from '../redis/keys.ts';
import { registerLanes } from '../redis/lane-registry.ts';
import type { RecoveryDeps } from './deps.ts';
import type { DrainedLane } from './drained-lane.ts';
import { connectionTo } from './lane-connection.ts';
import { LaneError } from './lane-error.ts';

type LoadDeps = Pick<
  RecoveryDeps,
  'connections' | 'orderClient' | 'marks' | 'lease' | 'logger' | 'metrics' | 'onStep'
>;

/**
 * Loads the lane anew from a snapshot of order, under a higher epoch (docs/recovery.md, "Rebuild").
 * @throws LaneError when another process has loaded or opened the lane since; OrderError, UpstreamError.
 */
export async function loadLane(deps: LoadDeps, lane: Lane, drained: DrainedLane): Promise<void> {
  const snapshot = await takeSnapshot(deps, lane, drained);
  await createLane(deps, lane);
  const orders = await loadPages(deps, lane, snapshot);
  deps.metrics.loadedOrders.inc(orders);
  deps.logger.info({ ...lane, epoch: snapshot.epoch, orders }, 'lane opener: lane is loaded');
}

async function takeSnapshot(
  { orderClient, marks, onStep }: LoadDeps,
  lane: Lane,
  { state, ends }: DrainedLane,
): Promise<Snapshot> {
  onStep('snapshot', lane);
  // Redis and Postgres may both have been put back. An epoch that buyers were told "reserved" under must not
  // come again.
  const above = Math.max(state.epoch, marks.epochOf(lane));
  return orderClient.takeSnapshot(lane.saleId, { above, ...(ends && { ends }) });
}

/**
 * Creates the lane if there is none; one that is closed stays as it is. The lane is registered before it
 * exists, because nobody would relay the outbox of a lane that nobody lists. It is registered again
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
 * Each page is a chunk of its own, so that neither side ever holds a whole sale in memory. @returns the
 * orders loaded.
 */
async function loadPages(deps: LoadDeps, lane: Lane, snapshot: Snapshot): Promise<number> {
  const { connections, orderClient, lease, onStep } = deps;
  let page: SnapshotPage = snapshot;
  let orders = 0;
  for (let chunk = 0; ; chunk += 1) {
    onStep('load', lane);
    const [outcome] = await connectionTo(connections, lane).redis.load(
      scriptKeys('load', lane),
      snapshot.epoch,
      chunk,
      page.after === undefined ? '1' : '0',
      chunk === 0 ? JSON.stringify(snapshot.control) : '',
      formatOrders(page, snapshot),
    );
    // `epoch_not_higher`, `open`: another process was here since the snapshot.
    if (outcome !== 'loaded') throw new LaneError(`load.lua answered ${String(outcome)}`);
    orders += page.orders.length;
    if (page.after === undefined) return orders;
    await lease.renew(lane);
    page = await orderClient.readSnapshotPage(lane.saleId, page.after);
  }
}

function formatOrders({ orders }: SnapshotPage, { control }: Snapshot): string {
  try {
    return JSON.stringify(orders.map((order) => toLoadOrder(order, control.currency)));
  } catch (error) {
    // An order of another version or make keeps its own sale closed, and the other sales go on.
    if (!(error instanceof InvariantError)) throw error;
    throw new LaneError(`an order of the snapshot cannot be loaded: ${error.message}`);
  }
}
