// Goal: a socket that dies in the middle of an answer of Kafka leaves nothing behind: kafkajs took the first
// answer of the next one for the rest of it. Method: a forwarder before a real Kafka that passes half of the
// first answer on, resets the connection, and forwards all later ones as they are.
import { connect, createServer, type AddressInfo } from 'node:net';
import t from 'tap';
import { createKafka } from '../../src/kafka/kafka.ts';
import { createLogger } from '../../src/logger.ts';

const [broker = ''] = (process.env['KAFKA_BROKERS'] ?? '').split(',');
const { hostname, port } = new URL(`http://${broker}`);

await t.test('half an answer is not the beginning of the next one', async (t) => {
  let connections = 0;
  const server = createServer((near) => {
    connections += 1;
    const isFirst = connections === 1;
    const far = connect(Number(port), hostname);
    near.on('error', () => far.destroy());
    near.on('close', () => far.destroy());
    far.on('error', () => near.destroy());
    near.pipe(far);
    if (!isFirst) {
      far.pipe(near);
      return;
    }
    far.once('data', (answer) => {
      // The length of the answer has come, and not the whole answer.
      near.write(answer.subarray(0, Math.ceil(answer.length / 2)), () => {
        near.destroySoon();
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const brokers = [`127.0.0.1:${(server.address() as AddressInfo).port}`];
  const kafka = createKafka({ brokers }, 'kafka-connection', createLogger('test', 'silent'));
  const admin = kafka.admin();
  t.teardown(() => admin.disconnect());
  const began = performance.now();
  await admin.connect();
  t.ok(connections > 1, `${connections} connections`);
  t.ok(Array.isArray((await admin.fetchTopicMetadata()).topics), 'all is understood');
  t.ok(performance.now() - began < 5_000, 'at once, and not after a time-out of 10 s');
});
