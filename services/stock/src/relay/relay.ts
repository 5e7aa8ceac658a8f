import { InvariantError } from '@seckill/runtime';
import type { ChangeFeed } from '../change-feed.ts';
import { isBrokenLane } from '../lane-content-error.ts';
import { formatLane, type Lane } from '../redis/keys.ts';
import type { LaneGauges } from './lane-gauges.ts';
import { LaneRelay, type LaneRelayDeps } from './lane-relay.ts';

export interface RelayDeps extends LaneRelayDeps {
  gauges: LaneGauges;
  lanes: () => Promise<Lane[]>;
  /** Tells which lanes have new entries. Without it they are found by the sweep. */
  changes?: Pick<ChangeFeed, 'listen'>;
  /** Between two looks at all lanes; milliseconds. */
  sweepMs: number;
  /** Removes a lane whose time is over. Asked for every lane, once in `retireMs` milliseconds. */
  retire: (lane: Lane) => Promise<void>;
  retireMs: number;
}

export interface Relay {
  /** Runs until the signal aborts and the batches under way are done. @throws InvariantError at once. */
  run(signal: AbortSignal): Promise<void>;
}

/** After a look at the lanes that failed. */
const RETRY_MS = 500;
/** Lanes that are asked about together, with two commands each. */
const LOOK_LANES_MAX = 500;

/**
 * Brings the outboxes of all lanes to Kafka (D2, D3). A lane is awake while it has entries. The script that
 * writes an entry wakes it, in every relay: one gets the lease, and the others stay until they see the outbox
 * empty. What was missed while nobody listened is found by a look at all lanes, which also follows every new
 * connection.
 */
export function createRelay(deps: RelayDeps): Relay {
  const { clock, logger, gauges } = deps;
  const loops = new Map<string, LaneLoop>();
  let start: ((lane: Lane) => LaneLoop) | undefined;
  let lookAgain = new AbortController();
  const wake = (lane: Lane): void => {
    const name = formatLane(lane);
    const loop = loops.get(name);
    if (loop !== undefined) loop.relay.wake();
    else if (start !== undefined) loops.set(name, start(lane));
  };
  deps.changes?.listen({
    onChange: ({ saleId, lane, what }) => {
      if (what === 'reserved') wake({ saleId, lane });
      // No loop is started for what a gauge tells: it would look through all holds of the lane.
      else gauges.note({ saleId, lane });
    },
    onListening: () => {
      lookAgain.abort();
      gauges.noteAll();
    },
    onTeller: (lane, token) => {
      gauges.hear(lane, token);
    },
  });
  return {
    async run(signal) {
      const broken = new AbortController();
      const stop = AbortSignal.any([signal, broken.signal]);
      const failures: unknown[] = [];
      start = (lane) => {
        const name = formatLane(lane);
        const gone = new AbortController();
        const relay = new LaneRelay(deps, lane);
        const ended = relay
          .run(AbortSignal.any([stop, gone.signal]))
          .catch((error: unknown) => {
            failures.push(error);
            broken.abort();
          })
          // The loop stays in the list until it has ended: two loops with one token would both believe they
          // hold the lease.
          .finally(() => {
            loops.delete(name);
            if (gone.signal.aborted) gauges.drop(lane);
            if (relay.isWoken && !stop.aborted && !gone.signal.aborted) wake(lane);
          });
        return { relay, gone, ended };
      };
      const telling = gauges.run(stop);
      let retiredAt = Number.NEGATIVE_INFINITY;
      while (!stop.aborted) {
        lookAgain = new AbortController();
        let pauseMs = deps.sweepMs;
        try {
          const lanes = await deps.lanes();
          if (!(await wakeBusy(deps, lanes, wake))) pauseMs = Math.min(pauseMs, RETRY_MS);
          if (clock.now() - retiredAt >= deps.retireMs) {
            retiredAt = clock.now();
            await retireAll(deps, lanes, stop);
          }
          const names = new Set(lanes.map(formatLane));
          // These lanes were retired.
          for (const [name, { gone }] of loops) if (!names.has(name)) gone.abort();
          gauges.keep(names);
        } catch (error) {
          if (error instanceof InvariantError) throw error;
          logger.warn({ err: error }, 'relay cannot list the lanes');
          pauseMs = Math.min(pauseMs, RETRY_MS);
        }
        const untilRetired = Math.max(0, retiredAt + deps.retireMs - clock.now());
        await clock.sleep(Math.min(pauseMs, untilRetired), AbortSignal.any([stop, lookAgain.signal]));
      }
      start = undefined;
      await Promise.all([telling, ...[...loops.values()].map(({ ended }) => ended)]);
      // Whoever takes over tells of the lanes.
      gauges.keep(new Set());
      if (failures.length > 0) throw failures[0];
    },
  };
}

interface LaneLoop {
  relay: LaneRelay;
  /** Aborted when the lane is no longer on the list. */
  gone: AbortController;
  ended: Promise<void>;
}

/**
 * Wakes the lanes that have entries or holds.
 * @returns false when some could not be asked, and are to be asked soon. A lane that has what no script of
 * ours wrote still has it in half a second.
 */
async function wakeBusy(
  { outbox, logger }: RelayDeps,
  lanes: Lane[],
  wake: (lane: Lane) => void,
): Promise<boolean> {
  const failed: unknown[] = [];
  for (let start = 0; start < lanes.length; start += LOOK_LANES_MAX) {
    const asked = lanes.slice(start, start + LOOK_LANES_MAX);
    const answers = await Promise.allSettled(asked.map((lane) => outbox.isBusy(lane)));
    for (const [index, answer] of answers.entries()) {
      const lane = asked[index];
      if (answer.status === 'rejected') failed.push(answer.reason);
      else if (answer.value && lane !== undefined) wake(lane);
    }
  }
  if (failed.length > 0) {
    logger.warn({ err: failed[0], count: failed.length }, 'relay: some lanes cannot be looked at');
  }
  return failed.every((error) => error instanceof Error && isBrokenLane(error));
}

/** A lane whose removal fails is asked again in the next round, and holds up no other. */
async function retireAll(
  { retire, logger, metrics }: RelayDeps,
  lanes: Lane[],
  signal: AbortSignal,
): Promise<void> {
  for (let start = 0; start < lanes.length && !signal.aborted; start += LOOK_LANES_MAX) {
    const answers = await Promise.allSettled(lanes.slice(start, start + LOOK_LANES_MAX).map(retire));
    const failed = answers.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
    const broken = failed.find((error) => error instanceof InvariantError);
    if (broken !== undefined) throw broken;
    if (failed.length > 0) {
      metrics.failures.inc();
      logger.warn({ err: failed[0], count: failed.length }, 'relay: some lanes could not be retired');
    }
  }
}
