// Goal: Kafka hears how far a group has read, also after a commit that failed, and never of partitions that
// have moved.
// Method: a consumer that is played, for a coordinator cannot be made to refuse one commit; with a real one
// the same class runs in intake-consumer.test.ts and settler.test.ts.
import type { Consumer } from 'kafkajs';
import kafkajs from 'kafkajs';
import t from 'tap';
import { KafkaCommits } from '../../src/kafka/consumer/kafka-commits.ts';

const logger = new kafkajs.Kafka({ brokers: ['nowhere:1'], logLevel: kafkajs.logLevel.NOTHING }).logger();

function play() {
  const committed: string[][] = [];
  const hooks: { before: () => void } = { before: () => undefined };
  const consumer: Pick<Consumer, 'commitOffsets'> = {
    commitOffsets: async (offsets) => {
      hooks.before();
      committed.push(offsets.map(({ partition, offset }) => `${partition}:${offset}`));
    },
  };
  return { commits: new KafkaCommits(consumer, 'topic', logger), committed, hooks };
}

const refuse = () => {
  throw new Error('not the coordinator');
};

await t.test('Kafka is told the last offset of each partition, once', async (t) => {
  const { commits, committed } = play();
  commits.note(0, 5n);
  commits.note(0, 7n);
  commits.note(1, 3n);
  await commits.commit();
  await commits.commit();
  t.same(committed, [['0:7', '1:3']]);
});

await t.test('an offset that Kafka refused is told again, unless there is a newer one', async (t) => {
  const { commits, committed, hooks } = play();
  commits.note(0, 5n);
  commits.note(1, 3n);
  hooks.before = () => {
    commits.note(1, 4n);
    refuse();
  };
  await commits.commit();
  hooks.before = () => undefined;
  await commits.commit();
  t.same(committed, [['0:5', '1:4']]);
});

await t.test('an offset of an earlier assignment is dropped', async (t) => {
  const { commits, committed, hooks } = play();
  const { generation } = commits;
  commits.note(0, 5n, generation);
  hooks.before = () => {
    commits.forget();
    refuse();
  };
  await commits.commit();
  hooks.before = () => undefined;
  commits.note(0, 6n, generation);
  commits.note(2, 1n);
  commits.forget();
  await commits.commit();
  t.same(committed, []);
});

await t.test('offsets are committed until it is stopped', async (t) => {
  const { commits, committed } = play();
  const stop = new AbortController();
  const running = commits.run(stop.signal);
  commits.note(0, 5n);
  while (committed.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  stop.abort();
  await running;
  t.same(committed, [['0:5']]);
});
