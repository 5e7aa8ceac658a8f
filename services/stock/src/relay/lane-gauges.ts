import type { Connections } from '../redis/connections.ts';
import { formatLane, type Lane } from '../redis/keys.ts';
import { readLaneState } from '../redis/lane-state.ts';
import type { RelayMetrics } from './metrics.ts';

const UNIT_STATES = ['total', 'available', 'held', 'paid'] as const;

type UnitMetrics = Pick<RelayMetrics, 'units'>;

/** Tells how many units of the lane are in which state. @throws ioredis' error, UnservedError. */
export async function observeUnits(
  connections: Pick<Connections, 'of'>,
  lane: Lane,
  { units }: UnitMetrics,
): Promise<void> {
  // An identity that is not known makes the gate stale, and leaves the counts as they are.
  const { redis, runId = '' } = connections.of(lane);
  const { items } = await readLaneState(redis, runId, lane);
  for (const state of UNIT_STATES) {
    const count = items.reduce((sum, item) => sum + item[state], 0);
    units.set({ lane: formatLane(lane), state }, count);
  }
}

/**
 * A lane that sleeps, or whose lease another relay has, has no gauges here: there are as many series as lanes
 * at work, and each lane is told of once.
 */
export function dropGauges(
  lane: Lane,
  {
    units,
    outboxEntries,
    outboxOldestSeconds,
  }: UnitMetrics & Pick<RelayMetrics, 'outboxEntries' | 'outboxOldestSeconds'>,
): void {
  const label = { lane: formatLane(lane) };
  outboxEntries.remove(label);
  outboxOldestSeconds.remove(label);
  for (const state of UNIT_STATES) units.remove({ ...label, state });
}
