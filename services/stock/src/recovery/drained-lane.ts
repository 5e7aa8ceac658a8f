import type { KafkaEnds } from '@seckill/contracts';
import type { Lane } from '../redis/keys.ts';
import { readLaneState, type LaneState } from '../redis/lane-state.ts';
import type { RecoveryDeps } from './deps.ts';
import { connectionTo } from './lane-connection.ts';
import { LaneError } from './lane-error.ts';

/**
 * A closed lane whose outbox is empty. The state is read once and passed on to the steps that follow. What
 * follows is safe although the state grows old: load.lua refuses an epoch that is not higher than the lane's,
 * and open.lua refuses a lane whose fence, epoch or sequence is not the one of this state, or whose outbox is
 * not empty.
 */
export interface DrainedLane {
  state: LaneState;
  /** Identity of the Redis that the state was read from. */
  runId: string;
  /** Kafka's ends, read after the outbox was seen empty. Undefined while Kafka is away. */
  ends: KafkaEnds | undefined;
}

type DrainDeps = Pick<RecoveryDeps, 'connections' | 'offsets' | 'lease' | 'clock' | 'logger' | 'onStep'>;

/** The relay needs 10 ms for a batch of 500 entries; the bound of 100,000 entries takes some seconds. */
const DRAIN_MS = 10_000;
const DRAIN_POLL_MS = 20;

/**
 * Waits until the relay has published the whole outbox. Everything that was reserved is in Kafka then, below
 * the ends that are read afterwards (INV-2). The outbox is never emptied by hand.
 * @throws LaneError when the relay takes too long, or when another process has opened the lane meanwhile.
 */
export async function drainLane(deps: DrainDeps, lane: Lane): Promise<DrainedLane> {
  const { connections, lease, clock, onStep } = deps;
  onStep('drain', lane);
  const deadline = clock.now() + DRAIN_MS;
  for (;;) {
    const { redis, runId } = connectionTo(connections, lane);
    const state = await readLaneState(redis, runId, lane);
    // Our lease had run out: another process opened the lane, which sells and must not be loaded.
    if (state.gate === 'open' || state.gate === 'stale')
      throw new LaneError('another process opened the lane');
    if (state.outbox === 0) return { state, runId, ends: await readEnds(deps, lane) };
    if (clock.now() > deadline) throw new LaneError('the relay has not emptied the outbox yet');
    await lease.renew(lane);
    await clock.sleep(DRAIN_POLL_MS);
  }
}

/** Undefined while Kafka is away: order decides whether it needs the ends. */
async function readEnds({ offsets, logger, onStep }: DrainDeps, lane: Lane): Promise<KafkaEnds | undefined> {
  onStep('ends', lane);
  try {
    return await offsets.readEnds();
  } catch (error) {
    logger.warn({ err: error, ...lane }, 'lane opener: kafka does not tell its ends');
    return undefined;
  }
}
