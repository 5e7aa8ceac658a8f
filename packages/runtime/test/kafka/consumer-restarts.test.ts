// Goal: a consumer that kafkajs gave up while Kafka died or started is started again, and the process ends
// only where that does not help. Method: starts that fail as often as told and a clock that counts, because a
// real broker gives these answers only by rare accident: one in 25 kills under eight consumers.
import kafkajs from 'kafkajs';
import t from 'tap';
import type { Clock } from '../../src/clock.ts';
import { ConsumerRestarts } from '../../src/kafka/consumer/consumer-restarts.ts';
import { seekInGroup } from '../../src/kafka/consumer/consumer.ts';
import { createKafka } from '../../src/kafka/kafka.ts';
import { createLogger } from '../../src/logger.ts';

const log = createKafka({ brokers: ['127.0.0.1:1'] }, 'test', createLogger('test', 'silent')).logger();
/** What kafkajs throws while the coordinator of the group is being loaded, and for an ACL that is missing. */
const noCoordinator = new kafkajs.KafkaJSNonRetriableError('Failed to find group coordinator');
const away = new kafkajs.KafkaJSConnectionError('connect ECONNREFUSED');

/** @param outcomes of the starts, one after the other; the last one is repeated. */
function make(outcomes: (Error | 'crash' | 'joins')[]) {
  const seen = { now: 0, starts: 0, sleeps: [] as number[], failed: [] as unknown[] };
  const abort = new AbortController();
  const clock: Clock = {
    now: () => seen.now,
    sleep: async (ms) => {
      seen.sleeps.push(ms);
    },
  };
  const restarts = new ConsumerRestarts({
    groupId: 'group',
    start: async () => {
      const outcome = outcomes[Math.min(seen.starts, outcomes.length - 1)];
      seen.starts += 1;
      if (outcome instanceof Error) throw outcome;
      if (outcome === 'crash') restarts.crashed(noCoordinator);
    },
    onFail: (error) => seen.failed.push(error),
    log,
    signal: abort.signal,
    clock,
  });
  return { restarts, seen, abort };
}

const rest = () => new Promise((resolve) => setTimeout(resolve, 20));

await t.test('it is started again, also while Kafka is away for long', async (t) => {
  const { restarts, seen } = make([...Array.from({ length: 30 }, () => away), 'crash', 'joins']);
  restarts.crashed(noCoordinator);
  await rest();
  t.same(seen.failed, []);
  t.equal(seen.starts, 32);
  t.ok(Math.max(...seen.sleeps) <= 5_000 && (seen.sleeps[20] ?? 0) >= 2_500, 'not too often');
});

await t.test('the process ends when it crashes each time, also right behind each join', async (t) => {
  // A consumer meets what it cannot read, such as a compression that kafkajs does not know, after it has
  // joined.
  const { restarts, seen } = make(['joins']);
  for (let crash = 0; crash < 9; crash += 1) {
    restarts.crashed(noCoordinator);
    await rest();
  }
  t.equal(seen.starts, 8);
  t.same(seen.failed, [noCoordinator]);
});

await t.test('crashes of another time do not count', async (t) => {
  const { restarts, seen } = make(['joins']);
  for (let crash = 0; crash < 20; crash += 1) {
    restarts.crashed(noCoordinator);
    await rest();
    seen.now += 60_000;
  }
  t.equal(seen.starts, 20);
  t.same(seen.failed, []);
});

await t.test('a place that is told to a consumer which is in no group waits for the next join', async (t) => {
  const consumer = createKafka({ brokers: ['127.0.0.1:1'] }, 'test', createLogger('test', 'silent')).consumer(
    {
      groupId: 'group',
    },
  );
  t.equal(seekInGroup(consumer, { topic: 'topic', partition: 0, offset: '1' }), false);
  t.throws(() => seekInGroup(consumer, { topic: 'topic', partition: 0, offset: 'no offset' }));
});

await t.test('what asking again does not mend ends the process at once', async (t) => {
  const refusal = Object.assign(new kafkajs.KafkaJSProtocolError('Not authorized'), {
    type: 'GROUP_AUTHORIZATION_FAILED',
  });
  for (const error of [refusal, new TypeError('our own bug')]) {
    const { restarts, seen } = make([error]);
    restarts.crashed(error);
    restarts.crashed(noCoordinator);
    await rest();
    t.same(seen.failed, [error, error], 'at once, and at the start');
    t.equal(seen.starts, 1);
  }
});

await t.test('who is told to stop starts nothing', async (t) => {
  const { restarts, seen, abort } = make(['joins']);
  restarts.crashed(noCoordinator);
  abort.abort();
  restarts.crashed(noCoordinator);
  await restarts.settled();
  t.same([seen.starts, seen.failed.length], [0, 0]);
});
