// Goal: a process that starts while Kafka is away waits for it, not too often, and ends at once when it is
// told to.
// Method: a connect that fails as often as told, a clock that counts; no Kafka is needed to be away from it.
import { test } from 'tap';
import type { Clock } from '../../src/clock.ts';
import { connectKafka } from '../../src/kafka/kafka-connect.ts';
import { createLogger } from '../../src/logger.ts';

const logger = createLogger('test', 'silent');

function makeClock() {
  const sleeps: number[] = [];
  const clock: Clock = {
    now: () => 0,
    sleep: async (ms) => {
      sleeps.push(ms);
    },
  };
  return { clock, sleeps };
}

await test('it waits longer and longer, at most 5 s, until Kafka is back', async (t) => {
  const { clock, sleeps } = makeClock();
  let left = 20;
  const connect = async () => {
    left -= 1;
    if (left > 0) throw new Error('away');
    return 'connected';
  };
  t.equal(await connectKafka(connect, new AbortController().signal, logger, clock), 'connected');
  t.equal(sleeps.length, 19, 'one wait for each failure');
  t.ok((sleeps[0] ?? 0) <= 200, 'short at first');
  t.ok(sleeps.slice(10).every((ms) => ms >= 2_500 && ms <= 5_000));
});

await test('told to end, it leaves an attempt that hangs to itself', async (t) => {
  const stop = new AbortController();
  const connecting = connectKafka(() => new Promise<string>(() => undefined), stop.signal, logger);
  stop.abort();
  t.equal(await connecting, undefined);
});

await test('told to end, it does not try again', async (t) => {
  const stop = new AbortController();
  let attempts = 0;
  const connect = async () => {
    attempts += 1;
    stop.abort();
    throw new Error('away');
  };
  const ends = [
    await connectKafka<unknown>(connect, stop.signal, logger),
    await connectKafka<unknown>(connect, stop.signal, logger),
  ];
  t.same(ends, [undefined, undefined]);
  t.equal(attempts, 1);
});
