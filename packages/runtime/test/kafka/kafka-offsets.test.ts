// Goal: a group whose coordinator has moved commits to the new one, also while the old one is connected.
// Method: kafkajs' own keeper of offsets between two coordinators, of which the first says what a broker of
// three said after all had started anew; three real brokers are at work in test/compose/cluster.test.ts.
import { createRequire } from 'node:module';
import t from 'tap';
import { mendKafkaOffsets } from '../../src/kafka/kafkajs/kafka-offsets.ts';

interface Keeper {
  commitOffsets(offsets: object): Promise<void>;
}

await t.test('a commit that meets the old coordinator is followed by one to the new', async (t) => {
  mendKafkaOffsets();
  mendKafkaOffsets();
  const require = createRequire(import.meta.url);
  const Offsets = require('kafkajs/src/consumer/offsetManager') as new (options: object) => Keeper;
  const asked: string[] = [];
  const coordinator = (name: string, error?: Error): object => ({
    isConnected: () => true,
    offsetCommit: async () => {
      asked.push(name);
      if (error !== undefined) throw error;
    },
  });
  const moved = Object.assign(new Error('not the correct coordinator'), {
    type: 'NOT_COORDINATOR_FOR_GROUP',
  });
  const cluster = {
    refreshMetadata: async () => undefined,
    committedOffsets: () => ({}),
    findGroupCoordinator: async ({ groupId }: { groupId: string }) => {
      asked.push(`look up ${groupId}`);
      return coordinator('new');
    },
  };
  const keeper = new Offsets({
    cluster,
    coordinator: coordinator('old', moved),
    memberAssignment: { topic: [0] },
    instrumentationEmitter: { emit: () => undefined },
    groupId: 'group',
    generationId: 1,
    memberId: 'member',
  });
  const offsets = { topics: [{ topic: 'topic', partitions: [{ partition: 0, offset: '7' }] }] };
  await t.rejects(keeper.commitOffsets(offsets), moved);
  await keeper.commitOffsets(offsets);
  t.same(asked, ['old', 'look up group', 'new']);
});
