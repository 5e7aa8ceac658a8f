// Goal: whatever a message holds, its dead letter is one that Kafka takes: a letter refused would stop its
// partition for ever. Method: the largest and oddest messages, against a real Kafka with the topic's own
// limit.
import { randomUUID } from 'node:crypto';
import type { DeadLetter } from '@seckill/contracts';
import { pino } from 'pino';
import t from 'tap';
import {
  createKafka,
  createProducer,
  createPublisher,
  DEAD_LETTER_BYTES_MAX,
  publishDeadLetters,
  type IncomingMessage,
  type OutgoingMessage,
} from '../../src/index.ts';

const logger = pino({ enabled: false });
const kafka = createKafka(
  { brokers: (process.env['KAFKA_BROKERS'] ?? '').split(',') },
  'dead-letter-test',
  logger,
);
const batch = { topic: 'seckill.reservations', partition: 5, messages: [] };

const message = (changes: Partial<IncomingMessage>): IncomingMessage => ({
  key: 'k',
  value: Buffer.from('not json'),
  offset: 7n,
  headers: {},
  ...changes,
});

await t.test('a letter of any message is taken by Kafka', async (t) => {
  // The topic is the test's own and has the limit that `npm run topics` sets.
  const topic = { name: `dead-letters-${randomUUID()}`, partitions: 1 };
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    waitForLeaders: false,
    topics: [
      {
        topic: topic.name,
        numPartitions: 1,
        configEntries: [{ name: 'max.message.bytes', value: String(DEAD_LETTER_BYTES_MAX) }],
      },
    ],
  });
  const producer = createProducer(kafka);
  await producer.connect();
  t.teardown(async () => {
    await admin.deleteTopics({ topics: [topic.name] });
    await admin.disconnect();
    await producer.disconnect();
  });

  const sent: OutgoingMessage[] = [];
  const real = createPublisher(producer);
  const publisher = {
    publish: async (_topic: object, kind: { type: string; version: string }, messages: OutgoingMessage[]) => {
      sent.push(...messages);
      await real.publish(topic, kind, messages);
    },
  };
  const rejected = [
    message({}),
    message({ value: Buffer.alloc(1_000_000, 'z') }),
    message({ value: Buffer.alloc(3_000_000, 'z') }),
    message({ headers: { odd: '\0'.repeat(400_000) } }),
    message({ key: '�'.repeat(900_000) }),
    message({ headers: { traceparent: 'x'.repeat(900_000) } }),
    message({ value: undefined, key: undefined }),
  ].map((one) => ({ message: one, error: 'e'.repeat(10_000) }));
  await publishDeadLetters(publisher, batch, rejected);

  const letters = sent.map(({ value }) => JSON.parse(value) as DeadLetter);
  t.equal(letters.length, rejected.length);
  t.ok(
    letters.every(
      ({ topic: from, partition, offset }) => from === batch.topic && partition === 5 && offset === '7',
    ),
    'each names the original',
  );
  t.equal(Buffer.from(letters[0]?.value ?? '', 'base64').toString(), 'not json');
  t.same(
    letters.map(({ isTruncated }) => isTruncated === true),
    [false, false, true, true, true, false, false],
  );
  t.ok(letters.every(({ error }) => error.length <= 500));
});
