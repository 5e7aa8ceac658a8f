// Goal: nothing counts as published that Kafka did not confirm, partition by partition (D3). Method: the
// publisher on a stand-in for kafkajs' send, because a real broker gives the dangerous answers only by rare
// accident (a leader that moves during a send); the relay's own tests run on a real Kafka.
import { partitionOf, TOPICS } from '@seckill/contracts';
import type { Producer } from 'kafkajs';
import t from 'tap';
import { classifyPostgresError, createPublisher } from '../../src/index.ts';

type Send = Producer['send'];
const kind = { type: 'ReservationCreated', version: '1' };
const messages = Array.from({ length: 40 }, (_, index) => ({ key: `key-${index}`, value: `{"n":${index}}` }));
const partitions = [...new Set(messages.map(({ key }) => partitionOf(TOPICS.reservations, key)))];

function publisherWith(answer: (sent: Parameters<Send>[0]) => Awaited<ReturnType<Send>>) {
  const sent: Parameters<Send>[0][] = [];
  const send: Send = async (record) => {
    sent.push(record);
    return answer(record);
  };
  return { sent, publisher: createPublisher({ send }) };
}

const confirm = (partition: number, errorCode = 0) => ({
  topicName: TOPICS.reservations.name,
  partition,
  errorCode,
});

await t.test('every message names its partition, type and version, and waits for all replicas', async (t) => {
  const { sent, publisher } = publisherWith(() => partitions.map((partition) => confirm(partition)));
  await publisher.publish(TOPICS.reservations, kind, messages);
  const [record] = sent;
  t.equal(record?.acks, -1);
  for (const message of record?.messages ?? []) {
    t.equal(message.partition, partitionOf(TOPICS.reservations, String(message.key)));
    t.match(message.headers, { 'message-type': 'ReservationCreated', 'message-version': '1' });
  }
});

await t.test(
  'an answer that misses a partition, or names another topic, or an error, is a failure',
  async (t) => {
    const [missing, ...rest] = partitions;
    const cases = {
      'a partition is missing': rest.map((partition) => confirm(partition)),
      'nothing is confirmed': [],
      'a partition failed': [...rest.map((partition) => confirm(partition)), confirm(missing ?? 0, 7)],
      'another topic answered': partitions.map((partition) => ({
        ...confirm(partition),
        topicName: 'other',
      })),
    };
    for (const [name, answer] of Object.entries(cases)) {
      const { publisher } = publisherWith(() => answer);
      await t.rejects(
        publisher.publish(TOPICS.reservations, kind, messages),
        { code: 'SECKILL_KAFKA_PUBLISH' },
        name,
      );
    }
  },
);

await t.test('nothing to publish is nothing to send', async (t) => {
  const { sent, publisher } = publisherWith(() => []);
  await publisher.publish(TOPICS.reservations, kind, []);
  t.equal(sent.length, 0);
});

await t.test('errors of Postgres are told apart by what may be done about them', async (t) => {
  const withCode = (code: string) => Object.assign(new Error('x'), { code });
  for (const code of [
    '08006',
    '40P01',
    '40001',
    '53300',
    '57P01',
    '58030',
    '25006',
    '55P03',
    'ECONNREFUSED',
    'ECONNRESET',
  ]) {
    t.equal(classifyPostgresError(withCode(code)), 'transient', code);
  }
  for (const code of ['22021', '23503', '23505'])
    t.equal(classifyPostgresError(withCode(code)), 'data', code);
  for (const code of ['42P01', '42601', 'XX000'])
    t.equal(classifyPostgresError(withCode(code)), 'other', code);
  t.equal(classifyPostgresError(new Error('Connection terminated unexpectedly')), 'transient');
  t.equal(classifyPostgresError(new TypeError('x is not a function')), 'other');
});
