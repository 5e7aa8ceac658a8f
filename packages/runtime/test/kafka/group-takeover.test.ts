// Goal: a process that waits for its place in a group makes dead members leave at its first look, and a
// member judges others only when it has reached the store twice in a row.
// Method: a store, a coordinator and a clock of the test's own, so that each look is one step.
import t from 'tap';
import type { Clock } from '../../src/clock.ts';
import { GroupTakeover, type GroupConnection } from '../../src/kafka/consumer/group-takeover.ts';
import { createKafka } from '../../src/kafka/kafka.ts';
import { createLogger } from '../../src/logger.ts';

const log = createKafka({ brokers: ['127.0.0.1:1'] }, 'test', createLogger('test', 'silent')).logger();

/** Lets everything run that waits for nothing. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

function make(dead: string[] = [], connect?: () => Promise<GroupConnection>) {
  const abort = new AbortController();
  const seen = {
    now: 0,
    told: [] as string[],
    removed: [] as string[],
    forgotten: [] as string[],
    closed: 0,
  };
  const silent = new Set<string>(dead);
  const store = { isAway: false };
  /** Ends the sleeps that are over when `ms` have passed. */
  let sleepers: { until: number; wake: () => void }[] = [];
  const clock: Clock = {
    now: () => seen.now,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        sleepers.push({ until: seen.now + ms, wake: resolve });
        signal?.addEventListener('abort', () => {
          resolve();
        });
      }),
  };
  const readSilent = async () => {
    if (store.isAway) throw new Error('the store is away');
    return [...silent];
  };
  const takeover = new GroupTakeover({
    groupId: 'group',
    members: {
      readSilent,
      renew: async (memberId) => {
        const found = await readSilent();
        seen.told.push(memberId);
        return found;
      },
      forget: async (memberId) => {
        seen.forgotten.push(memberId);
        silent.delete(memberId);
      },
    },
    connect:
      connect ??
      (async () => ({
        remove: async (memberId) => void seen.removed.push(memberId),
        close: async () => void (seen.closed += 1),
      })),
    log,
    clock,
  });
  const running = takeover.run(abort.signal);
  return {
    takeover,
    seen,
    silent,
    store,
    pass: async (ms: number) => {
      await settle();
      seen.now += ms;
      const over = sleepers.filter(({ until }) => until <= seen.now);
      sleepers = sleepers.filter(({ until }) => until > seen.now);
      for (const { wake } of over) wake();
      await settle();
    },
    stop: async () => {
      abort.abort();
      await running;
    },
  };
}

await t.test('who waits for its place makes the dead leave at once, all over one connection', async (t) => {
  const { seen, silent, pass, stop } = make(['dead-1', 'dead-2']);
  await pass(0);
  t.same(seen.removed, ['dead-1', 'dead-2'], 'the first look');
  t.same(seen.forgotten, ['dead-1', 'dead-2']);
  t.equal(seen.closed, 1);
  silent.add('dead-3');
  await pass(100);
  t.same(seen.removed.at(-1), 'dead-3', 'who falls silent meanwhile is found 0.1 s later');
  await stop();
});

await t.test('a member that has just joined is told within 0.1 s', async (t) => {
  const { takeover, seen, pass, stop } = make();
  await pass(0);
  await takeover.joined('me');
  await pass(100);
  t.same(seen.told, ['me']);
  await stop();
  t.same(seen.forgotten, ['me'], 'and forgotten when it leaves');
});

await t.test('a member that could not reach the store does not judge others by one look', async (t) => {
  const { takeover, seen, silent, store, pass, stop } = make();
  await pass(0);
  await takeover.joined('me');
  await pass(100);
  store.isAway = true;
  await pass(400);
  await pass(400);
  await pass(400);
  store.isAway = false;
  silent.add('other');
  await pass(400);
  t.same(seen.removed, [], 'the others could not tell either');
  await pass(400);
  t.same(seen.removed, ['other'], 'the second look in a row counts');
  await stop();
});

await t.test('a member that came back while we connected stays', async (t) => {
  const removed: string[] = [];
  const gate = { open: (): void => undefined };
  const waiting = new Promise<void>((resolve) => {
    gate.open = resolve;
  });
  const { silent, pass, stop } = make(['slow', 'dead'], async () => {
    await waiting;
    return { remove: async (memberId) => void removed.push(memberId), close: async () => undefined };
  });
  await pass(0);
  silent.delete('slow');
  gate.open();
  await pass(0);
  t.same(removed, ['dead']);
  await stop();
});

await t.test('a coordinator without an answer is given up, and tried again', async (t) => {
  let tries = 0;
  const { pass, stop } = make(['dead'], () => {
    tries += 1;
    return new Promise<GroupConnection>(() => undefined);
  });
  await pass(0);
  for (let step = 0; step < 19; step += 1) await pass(100);
  t.equal(tries, 1, 'one at a time');
  await pass(100);
  await pass(100);
  t.equal(tries, 2);
  await stop();
});
