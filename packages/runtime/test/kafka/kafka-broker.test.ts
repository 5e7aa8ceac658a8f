// Goal: whoever asks a Kafka whose handshake is not over is told that Kafka is away, which is repeated, and
// not an error that nobody repeats: that one ended the consumer, and with it the process. Method: a Kafka
// behind a forwarder that lets nothing through, asked twice at once; then the forwarder lets all through.
import { forwardTcp } from '@seckill/testing';
import t from 'tap';
import { createKafka } from '../../src/kafka/kafka.ts';
import { isKafkaAway } from '../../src/kafka/publisher.ts';
import { createLogger } from '../../src/logger.ts';

const [broker = ''] = (process.env['KAFKA_BROKERS'] ?? '').split(',');

await t.test('a handshake that is not over is a Kafka that is away', async (t) => {
  const forwarder = await forwardTcp(t, `http://${broker}`);
  forwarder.silence();
  const kafka = createKafka(
    { brokers: [new URL(forwarder.url).host] },
    'kafka-broker',
    createLogger('test', 'silent'),
  );
  const admin = kafka.admin();
  t.teardown(() => admin.disconnect());
  const connecting = admin.connect();
  // The connection stands, and Kafka has not told its versions.
  while (forwarder.accepted < 1) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const error: unknown = await admin.fetchTopicMetadata().catch((reason: unknown) => reason);
  t.match(error, { name: 'KafkaJSConnectionError', retriable: true });
  t.ok(isKafkaAway(error), 'whoever publishes repeats it');
  await forwarder.mend();
  await connecting;
  t.ok(Array.isArray((await admin.fetchTopicMetadata()).topics), 'and all goes on');
});
