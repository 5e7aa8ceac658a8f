// Goal: a consumer begins when the process is ready, not before; one that was stopped before never begins,
// and the stop does not wait for it. A failure ends the process.
// Method: a lifecycle whose start the test decides.
import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import t from 'tap';
import type { Lifecycle } from '../src/lifecycle.ts';
import { runConsumerRole, runRole } from '../src/role.ts';

function make() {
  const closers: (() => Promise<unknown>)[] = [];
  const failed: unknown[] = [];
  let start: (isReady: boolean) => void = () => undefined;
  const started = new Promise<boolean>((resolve) => {
    start = resolve;
  });
  const lifecycle = {
    onStop: (_name: string, close: () => Promise<unknown>) => closers.push(close),
    fail: (error: unknown) => failed.push(error),
    untilStarted: () => started,
  } as unknown as Lifecycle;
  const stop = async (): Promise<void> => {
    for (const close of closers.reverse()) await close();
  };
  return { lifecycle, failed, start, stop };
}

const logger = pino({ enabled: false });

await t.test('a role ends by its signal, and one that fails ends the process', async (t) => {
  const { lifecycle, failed, stop } = make();
  const heard: string[] = [];
  runRole(lifecycle, 'role', async (signal) => {
    heard.push('begun');
    signal.addEventListener('abort', () => heard.push('aborted'));
  });
  runRole(lifecycle, 'broken', () => Promise.reject(new Error('broken')));
  await turn();
  t.match(failed, [/broken/]);
  t.same(heard, ['begun']);
  await stop();
  t.same(heard, ['begun', 'aborted']);
});

await t.test('a consumer begins when the process is ready, beside its producer', async (t) => {
  const { lifecycle, start, stop } = make();
  const heard: string[] = [];
  const tell = (what: string) => async () => void heard.push(what);
  runConsumerRole({
    lifecycle,
    name: 'consumer',
    logger,
    // A producer that hangs holds up no consumer.
    producer: {
      connect: () => {
        heard.push('connecting');
        return new Promise<void>((resolve) => setTimeout(resolve, 200));
      },
      disconnect: tell('disconnected'),
    },
    consume: async () => {
      heard.push('consuming');
      return tell('consumed');
    },
  });
  await turn();
  t.same(heard, []);
  start(true);
  await turn();
  await turn();
  t.same(heard, ['connecting', 'consuming']);
  await stop();
  t.same(heard, ['connecting', 'consuming', 'consumed', 'disconnected']);
});

await t.test('a consumer that was stopped before its process was ready never begins', async (t) => {
  const { lifecycle, failed, start, stop } = make();
  let begun = 0;
  const begin = async (): Promise<void> => void (begun += 1);
  runConsumerRole({
    lifecycle,
    name: 'consumer',
    logger,
    producer: { connect: begin, disconnect: async () => undefined },
    consume: async () => {
      await begin();
      return async () => undefined;
    },
  });
  const stopped = stop();
  start(false);
  await stopped;
  t.equal(begun, 0);
  t.same(failed, []);
});
