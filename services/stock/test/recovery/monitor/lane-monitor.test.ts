/**
 * Goal: a healthy lane is never closed because buyers were answered while Redis was asked about it.
 * Method: the lane monitor itself on a real Redis, which keeps the list of lanes. The lane opener is a
 * stand-in: an acknowledgement overtakes its answer, as happens under load.
 */
import { randomBytes } from 'node:crypto';
import type { GateState } from '@seckill/contracts';
import { createRegistry, systemClock } from '@seckill/runtime';
import { silent } from '@seckill/testing';
import t, { test } from 'tap';
import { HighWaterMarks } from '../../../src/recovery/high-water-marks.ts';
import { LaneMonitor, type LaneMonitorDeps } from '../../../src/recovery/monitor/lane-monitor.ts';
import type { OpenOptions } from '../../../src/recovery/lane-opener.ts';
import { createGateMetrics } from '../../../src/recovery/metrics.ts';
import { formatLane, LANES_KEY } from '../../../src/redis/keys.ts';
import { listLanes } from '../../../src/redis/lane-registry.ts';
import { build } from '../../support/build.ts';

// Other tests use the list of lanes too.
const lane = { saleId: `pears-${randomBytes(4).toString('hex')}`, lane: 0 };
const { connections, connection } = await build(t);
const forget = () => connection.redis.srem(LANES_KEY, formatLane(lane));
t.teardown(forget);

interface Seen {
  /** The epoch of the lane, as Redis has it. */
  state?: { epoch: number; sequence: number; openedSequence: number };
  /** The epoch of the sale, as order lists it. */
  saleEpoch?: number;
  onRead?: () => void;
  /** The gate of the lane; default: open. */
  gate?: GateState;
}

const SEEN = { epoch: 1, sequence: 7, openedSequence: 0 };

/** Runs a few rounds after Redis became another one. @returns what the lane was opened again with. */
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
        return { gate: seen.gate ?? 'open', isLoaded: true, ...(seen.state ?? SEEN) } as never;
      },
    },
    orderClient: {
      listSales: async () =>
        [{ saleId: lane.saleId, epoch: seen.saleEpoch ?? 1, lanes: 1, mayRetire: false }] as never,
    },
  };
  const monitor = new LaneMonitor({
    ...options,
    connections,
    marks,
    clock: systemClock,
    random: () => 0,
    logger: silent,
    metrics: createGateMetrics(createRegistry()),
  });
  monitor.wake(connection, true);
  await monitor.run(stop.signal);
  return opened;
}

await test('a reservation that is acknowledged while Redis is asked is not taken for lost', async (t) => {
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

await test('a lane that the list lost is put on it again if the lane is there, and not if it is missing', async (t) => {
  await forget();
  const isListed = async () => (await listLanes(connections)).some(({ saleId }) => saleId === lane.saleId);
  await watch(new HighWaterMarks(), { gate: 'missing' });
  t.notOk(await isListed());
  await watch(new HighWaterMarks());
  t.ok(await isListed());
});

await test('a lane whose Redis was away for a moment and is the same is no longer told as out of reach', async (t) => {
  // The sweep looks at one lane a round, and must not come to the last one.
  const names = Array.from({ length: 10 }, (_, index) => `${lane.saleId}-${index}`);
  const last = { saleId: names.at(-1) ?? '', lane: 0 };
  t.teardown(() => connection.redis.srem(LANES_KEY, ...names.map((saleId) => `${saleId}:0`)));
  const stop = new AbortController();
  let rounds = 0;
  let isAway = false;
  const told: (number | undefined)[] = [];
  const monitor: LaneMonitor = new LaneMonitor({
    opener: {
      open: async () => undefined,
      readState: async () => ({ gate: 'open', isLoaded: true, ...SEEN }) as never,
    },
    orderClient: {
      listSales: async () => names.map((saleId) => ({ saleId, epoch: 1, lanes: 1, mayRetire: false })),
    },
    connections: {
      find: (one) => (isAway ? undefined : connections.find(one)),
      of: (one) => connections.of(one),
      isMoving: () => false,
      registry: connections.registry,
      isCluster: false,
    },
    marks: new HighWaterMarks(),
    clock: {
      now: () => 0,
      sleep: async () => {
        rounds += 1;
        told.push(monitor.closedSince(last));
        isAway = rounds === 1;
        if (rounds === 3) stop.abort();
      },
    },
    random: () => 0,
    logger: silent,
    metrics: createGateMetrics(createRegistry()),
  });
  await monitor.run(stop.signal);
  t.same(
    told.map((since) => typeof since),
    ['undefined', 'number', 'undefined'],
  );
});

await test('lanes that fail again and again keep no other lane from its turn', async (t) => {
  const names = Array.from({ length: 40 }, (_, index) => `${lane.saleId}-${index}`);
  const last = names.at(-1) ?? '';
  const stop = new AbortController();
  let now = 0;
  let rounds = 0;
  const monitor = new LaneMonitor({
    opener: {
      open: async ({ saleId }) => {
        if (saleId !== last) throw new Error('it has what no script of ours wrote');
        stop.abort();
      },
      readState: async () => ({ gate: 'rebuilding', isLoaded: true, ...SEEN }) as never,
    },
    orderClient: {
      listSales: async () => names.map((saleId) => ({ saleId, epoch: 1, lanes: 1, mayRetire: false })),
    },
    connections,
    marks: new HighWaterMarks(),
    clock: {
      now: () => now,
      sleep: async (ms) => {
        now += ms;
        rounds += 1;
        if (rounds === 100) stop.abort();
        await new Promise(setImmediate);
      },
    },
    random: () => 0,
    logger: silent,
    metrics: createGateMetrics(createRegistry()),
  });
  t.teardown(() => connection.redis.srem(LANES_KEY, ...names.map((saleId) => `${saleId}:0`)));
  await monitor.run(stop.signal);
  t.ok(rounds <= 12, `its turn came after ${rounds} rounds of four lanes each`);
});
