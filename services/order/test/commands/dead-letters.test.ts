// Goal: a message that waits for a person can be found, understood and sent again as it was.
// Method: the built command on a real Kafka and a real Postgres. All command lines run in one process, which
// stays.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { DEAD_LETTER, TOPICS, type ParkedMessagePage } from '@seckill/contracts';
import type { IncomingMessage, Publisher } from '@seckill/runtime';
import { connectKafka, connectPublisher, makeTopic, silent } from '@seckill/testing';
import { test } from 'tap';
import { createTopics } from '../../src/commands/topics.ts';
import { readLetters } from '../../src/dead-letters/dead-letter-topic.ts';
import { assembleIntake } from '../../src/intake/role.ts';
import { readOffset } from '../../src/intake/offsets/stored-offsets.ts';
import { createTestMetrics, makeContext } from '../support/build.ts';
import { KAFKA_BROKERS, startCommands } from '../support/commands.ts';
import { createDatabase } from '../support/database.ts';
import { SINGLE_BROKER } from '../support/kafka.ts';
import { toBatch, toMessage } from '../support/reservations.ts';

const run = startCommands();

/** Other tests park letters in the same Kafka: a page of a hundred need not have ours. */
const ALL = ['--limit', '10000'];

await test('a message too large for a letter is listed by its place, and a replay says where it is', async (t) => {
  const { pool, url } = await createDatabase(t);
  const kafka = connectKafka('order-test');
  await createTopics(kafka, SINGLE_BROKER);
  const publisher: Publisher = await connectPublisher(t, kafka);
  const type = `Huge-${randomBytes(4).toString('hex')}`;
  // A message of as many bytes as Kafka takes is six times as long as JSON. One such message once stopped a
  // whole intake.
  const huge = {
    ...toMessage('not even JSON', 0),
    headers: { 'message-type': type, odd: '\0'.repeat(400_000) },
  };
  const metrics = createTestMetrics();
  const wake = () => undefined;
  const deps = { pool, publisher, wake, logger: silent, metrics, batchCountMax: 10 };
  await assembleIntake(deps).handleBatch(
    { ...toBatch([], { partition: 5 }), partition: 5, messages: [huge] },
    makeContext().context,
  );
  t.equal(await readOffset(pool, TOPICS.reservations.name, 5), huge.offset + 1n, 'the partition moved on');

  const env = { DATABASE_URL: url, KAFKA_BROKERS };
  const { stdout } = await run('dead-letters', ['list', '--json', ...ALL], env);
  const letter = (JSON.parse(stdout) as ParkedMessagePage).data.find(({ error }) => error.includes(type));
  t.match(letter, { state: 'waiting', topic: TOPICS.reservations.name, partition: 5 });
  const replay = await run('dead-letters', ['replay', letter?.id ?? ''], env);
  t.equal(replay.code, 1);
  t.match(replay.stderr, `offset ${huge.offset} of ${TOPICS.reservations.name}, 5`);

  const done = ['done', letter?.id ?? '', '--reason'];
  t.match(await run('dead-letters', [...done, 'told the buyer'], env), {
    code: 0,
    stdout: /^done: letter \S+, by .+: told the buyer\n$/,
  });
  t.match(await run('dead-letters', [...done, 'another'], env), { stdout: /: told the buyer\n$/ });
  const states = async (...args: string[]) => {
    const listed = await run('dead-letters', ['list', '--json', ...ALL, ...args], env);
    const { data } = JSON.parse(listed.stdout) as ParkedMessagePage;
    return data.filter(({ id }) => id === letter?.id).map(({ state }) => state);
  };
  t.same(await states(), []);
  t.same(await states('--all-states'), ['done']);
});

await test('a poison message is listed, shown, replayed as it was, and then waits no more', async (t) => {
  const { pool, url } = await createDatabase(t);
  const kafka = connectKafka('order-test');
  await createTopics(kafka, SINGLE_BROKER);
  const publisher: Publisher = await connectPublisher(t, kafka);
  const mark = randomBytes(4).toString('hex');
  const key = `poison-${mark}`;
  // A type that nobody has heard of is not understood. Everything about the message must come back.
  const poison: IncomingMessage = {
    ...toMessage({ hello: 'wörld', mark }, 0),
    key,
    headers: { 'message-type': 'Unheard', 'message-version': '7', traceparent: '00-abc-def-01' },
  };
  const metrics = createTestMetrics();
  const wake = () => undefined;
  const deps = { pool, publisher, wake, logger: silent, metrics, batchCountMax: 10 };
  const messages = [poison, { ...toMessage('not even JSON', 1), key: `other-${mark}` }];
  await assembleIntake(deps).handleBatch(
    { ...toBatch([], { partition: 5 }), partition: 5, messages },
    makeContext().context,
  );

  const env = { DATABASE_URL: url, KAFKA_BROKERS };
  const list = async (...args: string[]) => {
    const { code, stdout, stderr } = await run('dead-letters', ['list', '--json', ...ALL, ...args], env);
    t.equal(code, 0, stderr);
    return (JSON.parse(stdout) as ParkedMessagePage).data.filter((one) => one.key.endsWith(mark));
  };
  const waiting = await list();
  // A topic that was just made may get a letter twice, because delivery is at least once.
  t.same(new Set(waiting.map((one) => one.key)), new Set([key, `other-${mark}`]));
  const [letter, ...twins] = waiting.filter((one) => one.key === key);
  t.match(letter, { state: 'waiting', topic: TOPICS.reservations.name, partition: 5, error: /Unheard v7/ });
  const id = letter?.id ?? '';

  const content = JSON.stringify({ hello: 'wörld', mark });
  const [shown, json, table] = await Promise.all([
    run('dead-letters', ['show', id], env),
    run('dead-letters', ['show', id, '--json'], env),
    run('dead-letters', ['list', ...ALL], env),
  ]);
  t.match(shown, { code: 0, stdout: /Unheard/ });
  t.ok(shown.stdout.endsWith(`\n\n${content}\n`), 'with the message in it');
  t.match(JSON.parse(json.stdout), { id, headers: poison.headers, value: content });
  t.match(table, { code: 0, stdout: new RegExp(`${id} +waiting .*Unheard v7`) });

  t.match(await run('dead-letters', ['replay', id], env), { code: 0, stdout: `replayed: ${id}` });
  const states = new Map((await list('--all-states')).map((one) => [one.id, one.state]));
  t.equal(states.get(id), 'replayed');
  t.ok([...states].every(([other, state]) => other === id || state === 'waiting'));

  // What is read back from the topic is the very same message, at the very same partition.
  const found = await new Promise<unknown>((resolve, reject) => {
    const consumer = kafka.consumer({ groupId: `order-test.${mark}`, maxWaitTimeInMs: 250 });
    t.teardown(() => consumer.disconnect());
    const deadline = setTimeout(() => {
      reject(new Error('the replayed message never came'));
    }, 15_000);
    const read = async () => {
      await consumer.connect();
      await consumer.subscribe({ topic: TOPICS.reservations.name, fromBeginning: true });
      await consumer.run({
        eachMessage: async ({ partition, message }) => {
          if (message.key?.toString() !== key) return;
          clearTimeout(deadline);
          const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]);
          resolve({
            partition,
            value: message.value?.toString(),
            headers: Object.fromEntries(headers) as unknown,
          });
        },
      });
    };
    read().catch(reject);
  });
  t.same(found, { partition: 5, value: poison.value?.toString(), headers: poison.headers });

  // Other tests park letters in the same Kafka, and would not like to meet them again.
  const { stdout: others } = await run('dead-letters', ['list', '--json', ...ALL], env);
  for (const other of (JSON.parse(others) as ParkedMessagePage).data) {
    if (other.key.endsWith(mark)) continue;
    await pool.query(
      'INSERT INTO dead_letter_replays (partition, "offset") VALUES ($1, $2)',
      other.id.split('-'),
    );
  }
  const all = await run('dead-letters', ['replay', '--all', '--json'], env);
  const { replayed } = JSON.parse(all.stdout) as { replayed: string[] };
  t.notOk(replayed.includes(id), 'what was replayed is not replayed by --all');
  t.ok(twins.every((twin) => replayed.includes(twin.id)));
  t.same(await list(), [], 'nothing waits any more');
  const admin = kafka.admin();
  await admin.connect();
  const { groups } = await admin.listGroups();
  await admin.disconnect();
  t.notOk(
    groups.some(({ groupId }) => groupId.startsWith('seckill.dead-letters.')),
    'no group is left behind',
  );
});

await test('the list pages, and is asked by the time at which letters were parked', async (t) => {
  const { url } = await createDatabase(t);
  const kafka = connectKafka('order-test');
  await createTopics(kafka, SINGLE_BROKER);
  const publisher = await connectPublisher(t, kafka);
  const mark = randomBytes(4).toString('hex');
  for (const name of ['a', 'b', 'c']) {
    await publisher.publish(TOPICS.deadLetters, DEAD_LETTER, [{ key: `${name}-${mark}`, value: '{}' }]);
    await sleep(5);
  }
  const env = { DATABASE_URL: url, KAFKA_BROKERS };
  const list = async (...args: string[]) => {
    const { code, stdout, stderr } = await run('dead-letters', ['list', '--json', ...args], env);
    t.equal(code, 0, stderr);
    return JSON.parse(stdout) as ParkedMessagePage;
  };
  const ours = ({ data }: ParkedMessagePage) => data.filter(({ key }) => key.endsWith(mark));
  const [a, b, c] = ours(await list(...ALL));
  const at = (letter = a) => letter?.parkedAt ?? '';
  t.same(ours(await list(...ALL, '--since', at(b))), [b, c]);
  t.same(ours(await list(...ALL, '--until', at(b))), [a]);
  t.same(ours(await list(...ALL, '--since', at(b), '--until', at(c))), [b]);

  const first = await list('--limit', '1', '--since', at(a));
  t.same(first.data, [a]);
  t.same((await list('--limit', '1', '--since', at(a), '--cursor', first.nextCursor ?? '')).data, [b]);
  const table = await run('dead-letters', ['list', '--limit', '1', '--since', at(a)], env);
  t.ok(table.stdout.endsWith(`\nmore: --cursor ${first.nextCursor ?? ''}\n`), table.stdout);
  t.match(await run('dead-letters', ['list', '--cursor', 'abc'], env), { code: 1, stderr: /^[^\n]+\n$/ });
});

await test('a reading that fails leaves no group behind either', async (t) => {
  const kafka = connectKafka('order-test');
  const topic = await makeTopic(kafka, 2);
  const publisher = await connectPublisher(t, kafka);
  await publisher.publish(topic, DEAD_LETTER, [{ key: 'a', value: '{}' }]);
  const admin = kafka.admin();
  await admin.connect();
  t.teardown(() => admin.disconnect());
  const listGroups = async () => {
    const { groups } = await admin.listGroups();
    return groups.map(({ groupId }) => groupId).filter((id) => id.startsWith('seckill.dead-letters.'));
  };
  let groupsMeanwhile: string[] = [];
  const onLetter = async () => {
    groupsMeanwhile = await listGroups();
    throw new Error('not this one');
  };
  await t.rejects(readLetters(kafka, onLetter, { topic: topic.name }), { message: 'not this one' });
  t.equal(groupsMeanwhile.length, 1, 'there was one');
  t.same(await listGroups(), []);
});
