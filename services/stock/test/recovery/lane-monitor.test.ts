/**
 * Goal: a healthy lane is never closed because buyers were answered while Redis was asked about it. Method:
 * the lane monitor itself, with a lane opener whose answer is overtaken by an acknowledgement, as happens
 * under load.
 */
import { createLogger, createRegistry, systemClock } from '@seckill/runtime';
import { test } from 'tap';
import { HighWaterMarks } from '../../src/recovery/high-water-marks.ts';
import { Connection } from '../../src/redis/connection.ts';
import { LaneMonitor, type LaneMonitorDeps } from '../../src/recovery/lane-monitor.ts';
import type { OpenOptions } from '../../src/recovery/lane-opener.ts';
import { createGateMetrics } from '../../src/recovery/metrics.ts';

const lane = { saleId: 'pears', lane: 0 };
/** Never asked. */
const connection = new Connection('redis://127.0.0.1:1', createLogger('stock', 'silent'));

interface Seen {
  /** Of the lane, as Redis has it. */
  state?: { epoch: number; sequence: number; openedSequence: number };
  /** Of the sale, as order lists it. */
  saleEpoch?: number;
  onRead?: () => void;
}

const SEEN = { epoch: 1, sequence: 7, openedSequence: 0 };

/** Runs a few rounds after Redis became another one; what the lane was opened again with. */
async function watch(marks: HighWaterMarks, seen: Seen = {}): Promise<OpenOptions[]> {
  const opened: OpenOptions[] = [];
  let rounds = 0;
  const stop = new AbortController();
  const options: Pick<LaneMonitorDeps, 'opener' | 'orderClient'> = {
    opener: {
      open: async (_lane, options) => {
        opened.push(options ?? {});
      },
      readState: async () => {
        seen.onRead?.();
        rounds += 1;
        if (rounds === 2) stop.abort();
        return { gate: 'open', isLoaded: true, ...(seen.state ?? SEEN) } as never;
      },
    },
    orderClient: {
      listSales: async () =>
        [{ saleId: 'pears', epoch: seen.saleEpoch ?? 1, lanes: 1, mayRetire: false }] as never,
    },
  };
  const monitor = new LaneMonitor({
    ...options,
    connections: {
      find: () => connection,
      of: () => connection,
      isMoving: () => false,
      registry: { redis: { sadd: async () => 0 } } as never,
    },
    marks,
    clock: systemClock,
    random: () => 0,
    logger: createLogger('stock', 'silent'),
    metrics: createGateMetrics(createRegistry()),
  });
  monitor.wake(connection, true);
  await monitor.run(stop.signal);
  return opened;
}

await test('what is acknowledged while Redis is asked is not missing in its answer', async (t) => {
  const marks = new HighWaterMarks();
  marks.note(lane, { epoch: 1, sequence: 7 });
  const opened = await watch(marks, {
    state: { ...SEEN, openedSequence: 7 },
    onRead: () => {
      marks.note(lane, { epoch: 1, sequence: 9 });
    },
  });
  t.equal(
    opened.length,
    1,
    'only in the second round, before which it had been acknowledged and Redis still says 7',
  );
});

await test('a lane that lacks what was acknowledged before is opened anew', async (t) => {
  const marks = new HighWaterMarks();
  marks.note(lane, { epoch: 1, sequence: 8 });
  t.same((await watch(marks))[0], { distrustedEpoch: 1 });
});

await test('a lane that another process opened behind it and sold past it is loaded anew all the same', async (t) => {
  const marks = new HighWaterMarks();
  marks.note(lane, { epoch: 1, sequence: 100 });
  const past = { epoch: 1, sequence: 120, openedSequence: 95 };
  t.same((await watch(marks, { state: past }))[0], { distrustedEpoch: 1 });
  t.same(await watch(marks, { state: { ...past, openedSequence: 100 } }), [], 'nothing was lost');
  t.same(await watch(marks, { state: { ...past, epoch: 2 }, saleEpoch: 2 }), [], 'loaded anew since');
});

await test('an epoch that was raised in vain is loaded after all', async (t) => {
  t.same((await watch(new HighWaterMarks(), { saleEpoch: 2 }))[0], { distrustedEpoch: 1 });
});
