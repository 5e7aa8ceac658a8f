// Goal: what waits for a person can be found, understood and, where it is a message, sent again as it was.
// Method: the built commands on a real Kafka and a real Postgres. Each command is a process of its own in the
// last test; all other command lines run in one process, which stays.
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DEAD_LETTER, TOPICS, type KeptNoticePage, type RefundPage } from '@seckill/contracts';
import {
  CommandRunner,
  runAsProcess,
  type Ended,
  connectKafka,
  connectPublisher,
  makeTopic,
  silent,
} from '@seckill/testing';
import { ownerOf, type IncomingMessage, type Publisher } from '@seckill/runtime';
import t, { test } from 'tap';
import { readLetters } from '../../src/dead-letters/dead-letter-topic.ts';
import { assembleIntake } from '../../src/intake/role.ts';
import { readOffset } from '../../src/intake/stored-offsets.ts';
import { createTopics } from '../../src/commands/topics.ts';
import { createDatabase } from '../support/database.ts';
import { SINGLE_BROKER } from '../support/kafka.ts';
import { buildEnds, buildIntake, createTestMetrics, makeContext } from '../support/build.ts';
import {
  makeNotice,
  makeReservation,
  storeOrders,
  storeSale,
  toBatch,
  toMessage,
} from '../support/reservations.ts';

const commands = new CommandRunner();
t.teardown(() => commands.stop());

const fileOf = (program: string): string =>
  fileURLToPath(new URL(`../../dist/commands/${program}.js`, import.meta.url));

const run = (program: string, args: string[], env: Record<string, string>): Promise<Ended> =>
  commands.run(fileOf(program), args, { PATH: process.env['PATH'] ?? '', ...env });

interface Listed {
  id: string;
  state: string;
  key: string;
  error: string;
  topic: string;
}

const brokers = process.env['KAFKA_BROKERS'] ?? '';

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

  const env = { DATABASE_URL: url, KAFKA_BROKERS: brokers };
  const { stdout } = await run('dead-letters', ['list', '--json'], env);
  const letter = (JSON.parse(stdout) as Listed[]).find(({ error }) => error.includes(type));
  t.match(letter, { state: 'waiting', topic: TOPICS.reservations.name, partition: 5 });
  const replay = await run('dead-letters', ['replay', letter?.id ?? ''], env);
  t.equal(replay.code, 1);
  t.match(replay.stderr, `offset ${huge.offset} of ${TOPICS.reservations.name}, 5`);
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

  const env = { DATABASE_URL: url, KAFKA_BROKERS: brokers };
  const list = async (...args: string[]) => {
    const { code, stdout, stderr } = await run('dead-letters', ['list', '--json', ...args], env);
    t.equal(code, 0, stderr);
    return (JSON.parse(stdout) as Listed[]).filter((one) => one.key.endsWith(mark));
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
    run('dead-letters', ['list'], env),
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
  const { stdout: others } = await run('dead-letters', ['list', '--json'], env);
  for (const other of JSON.parse(others) as Listed[]) {
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

await test('a command says in words what it cannot do', async (t) => {
  const { url } = await createDatabase(t);
  await createTopics(connectKafka('order-test'), SINGLE_BROKER);
  const env = { DATABASE_URL: url, KAFKA_BROKERS: brokers };
  const table: [string[], Record<string, string>, number, RegExp][] = [
    [['show', '0-999999999'], env, 1, /there is no dead letter 0-999999999/],
    [['show', 'nonsense'], env, 2, /expected <partition>-<offset>/],
    [['replay', '--all', '0-1'], env, 2, /takes no 0-1/],
    [[], env, 2, /^one of list, show, replay is needed, met nothing; see --help\n$/],
    [['list', '--colour'], env, 2, /--colour/],
    [['list'], { DATABASE_URL: url }, 1, /KAFKA_BROKERS is missing/],
    [['list', '--name', 'no-such-stack'], env, 1, /no stack named "no-such-stack"/],
    [['list', '--stack', '../etc'], env, 2, /no stack can be named/],
  ];
  const check = async ([args, given, code, words]: (typeof table)[number]) => {
    t.match(
      await run('dead-letters', args, given),
      { code, stderr: words },
      `dead-letters ${args.join(' ')}`,
    );
  };
  await Promise.all(table.map(check));
  t.match(await run('dead-letters', ['--help'], {}), { code: 0, stdout: /Usage:/ });
  for (const program of ['migrate', 'topics']) {
    t.match(await run(program, ['--help'], {}), { code: 0, stdout: `Usage: npm run ${program}` });
    // The command does nothing, however well its other words would work.
    t.match(await run(program, ['--colour'], env), { code: 2, stdout: '', stderr: /--colour/ });
    t.match(await run(program, ['everything'], env), { code: 2, stdout: '', stderr: /everything/ });
    t.match(await run(program, [], {}), { code: 1, stderr: /^configuration is not usable:\n[^\n]+\n$/ });
    t.match(await run(program, [], env), { code: 0, stdout: /^nothing to (migrate|create)\n$/ });
  }
  t.match(await run('refunds', ['--stack', 'no-such-stack'], {}), { code: 1, stderr: /npm start/ });
  const misused: [string, string[], RegExp][] = [
    ['refunds', ['everything'], /list, done/],
    ['refunds', ['done'], /expected an id/],
    ['refunds', ['done', '1'], /--reference/],
    ['refunds', ['done', '1', '--reference', 'a\nb'], /--reference/],
    ['refunds', ['done', 'x', '--reference', 'r'], /expected an id/],
    ['refunds', ['done', '1', '--reference', 'r', '--sale', 'pears'], /done takes no --sale/],
    ['refunds', ['--reference', 'r'], /list takes no --reference/],
    ['refunds', ['--state', 'lost'], /--state/],
    ['refunds', ['--limit', '0'], /--limit/],
    ['refunds', ['--since', 'yesterday'], /--since/],
    ['refunds', ['--sale', 'A B'], /--sale/],
    ['notices', [], /list, show/],
    ['notices', ['list', '1'], /list takes no 1/],
    ['notices', ['show'], /expected an id/],
    ['notices', ['show', 'x'], /expected an id/],
    ['notices', ['replay', '1', '--body', '/nonexistent/x'], /--body/],
    ['notices', ['list', '--reference', 'x'], /takes no --reference/],
    ['notices', ['done', '1'], /--reference/],
    ['notices', ['list', '--state', 'lost'], /--state/],
  ];
  for (const [program, args, words] of misused) {
    const { code, stderr } = await run(program, args, env);
    t.match({ code, stderr }, { code: 2, stderr: words }, `${program} ${args.join(' ')}`);
    t.equal(stderr.trimEnd().split('\n').length, 1, 'one line');
  }
  t.match(await run('refunds', ['--cursor', 'x'], env), { code: 1, stderr: /cursor/ });
  t.match(await run('notices', ['show', '1'], env), { code: 1, stderr: /No such notice/ });
  t.match(await run('refunds', [], { KAFKA_BROKERS: brokers }), {
    code: 1,
    stderr: /DATABASE_URL is missing/,
  });
});

await test('refunds lists what is to be given back, and why', async (t) => {
  const { pool, url } = await createDatabase(t);
  const env = { DATABASE_URL: url };
  t.match(await run('refunds', [], env), { code: 0, stdout: 'no refunds are due' });
  const saleId = await storeSale(pool, { orange: 10 });
  const values = await storeOrders(pool, saleId, [{}, {}]);
  const [a = '', b = ''] = values.map(({ reservationId }) => reservationId);
  const { payments, orders } = buildEnds(pool);
  await orders.cancel(a, values[0]?.userId ?? '');
  await payments.accept(makeNotice(a, { paymentId: 'late' }));
  await payments.accept(makeNotice(a, { paymentId: 'late' }));
  await payments.accept(makeNotice(b, { paymentId: 'good' }));
  await payments.accept(makeNotice(b, { paymentId: 'second' }));
  await payments.accept(makeNotice(makeReservation(saleId).reservationId, { paymentId: 'early' }));
  // This money waits for its order as well, and for longer than an order may take.
  const late = makeReservation(saleId);
  const lost = late.reservationId;
  await payments.accept(makeNotice(lost, { paymentId: 'lost' }));
  await pool.query(`UPDATE payments SET received_at = now() - make_interval(secs => CASE payment_id
    WHEN 'lost' THEN 301 ELSE 60 END) WHERE result = 'recorded'`);
  const expected = [
    {
      orderId: lost,
      paymentId: 'lost',
      amount: { amount: 100, currency: 'CNY' },
      reason: 'no_order_yet',
      notices: 1,
    },
    {
      orderId: a,
      paymentId: 'late',
      amount: { amount: 100, currency: 'CNY' },
      reason: 'order_ended',
      notices: 2,
    },
    {
      orderId: b,
      paymentId: 'second',
      amount: { amount: 100, currency: 'CNY' },
      reason: 'second_payment',
      notices: 1,
    },
  ];
  const { code, stdout } = await run('refunds', ['--json'], env);
  t.equal(code, 0);
  const listed = (JSON.parse(stdout) as RefundPage).data;
  t.same(
    listed.map(({ since: _since, id: _id, state: _state, ...rest }) => rest),
    expected,
  );
  const ages = listed.map(({ since }) => Date.now() - Date.parse(since));
  t.ok(Math.abs((ages.shift() ?? 0) - 301_000) < 60_000, 'since it came');
  t.ok(ages.every((age) => Math.abs(age) < 60_000));
  const table = await run('refunds', [], env);
  t.match(table.stdout, /id +order +payment +amount +why +since/);
  t.match(table.stdout, new RegExp(`${a} +late +100 CNY +order_ended`));
  t.match(table.stdout, new RegExp(`${lost} +lost +100 CNY +no_order_yet`));

  // The list goes page by page, also past rows of one instant. Then it is asked by sale and time.
  await pool.query(
    `UPDATE payments SET result_at = '2026-11-22T12:00:00.000001Z' WHERE result = 'refund_due'`,
  );
  const all: string[] = [];
  for (let cursor: string[] = []; ;) {
    const page = JSON.parse(
      (await run('refunds', ['--json', '--limit', '1', ...cursor], env)).stdout,
    ) as RefundPage;
    all.push(...page.data.map(({ paymentId }) => paymentId));
    if (page.nextCursor === undefined) break;
    cursor = ['--cursor', page.nextCursor];
  }
  t.same(all.sort(), ['late', 'lost', 'second'], 'each once');
  const paymentsOf = async (...args: string[]) => {
    const page = JSON.parse((await run('refunds', ['--json', ...args], env)).stdout) as RefundPage;
    return page.data.map(({ paymentId }) => paymentId);
  };
  t.same(await paymentsOf('--until', '2026-11-22T12:00:00.001Z'), ['late', 'second']);
  t.same(await paymentsOf('--since', '2026-11-22T12:00:00.001Z'), ['lost']);
  t.same(await paymentsOf('--sale', saleId.slice(0, -1)), [], 'a sale whose name begins so is another one');
  t.equal((await paymentsOf('--sale', saleId)).length, 3);

  // A refund is marked once, under one reference. Until then the order tells of it.
  const idOf = (paymentId: string) => listed.find((one) => one.paymentId === paymentId)?.id ?? '';
  t.match(await orders.read(a, values[0]?.userId ?? ''), { refundDue: { amount: 100, currency: 'CNY' } });
  const done = (id: string, reference: string) => run('refunds', ['done', id, '--reference', reference], env);
  t.match(await done(idOf('late'), 're_1'), { code: 0, stdout: /re_1/ });
  t.match(await done(idOf('late'), 're_1'), { code: 0 }, 'a repeat changes nothing');
  t.match(await done(idOf('late'), 're_2'), { code: 1, stderr: /re_1/ });
  t.notOk('refundDue' in (await orders.read(a, values[0]?.userId ?? '')));
  t.match(await done('999999', 're_1'), { code: 1 });
  t.same((await paymentsOf()).sort(), ['lost', 'second']);
  t.match(await run('refunds', ['list', '--state', 'done'], env), { code: 0, stdout: /late .* re_1/ });
  // Money without its order: from now on the order, should it come, is not paid by it.
  t.match(await done(idOf('lost'), 're_3'), { code: 0 });
  await buildIntake(pool).intake.handleBatch(toBatch([late]), makeContext().context);
  t.match(await orders.read(lost, late.userId), { status: 'pending' });
  const { rows } = await pool.query(`SELECT FROM payments WHERE refund_reason = 'order_missing'`);
  t.equal(rows.length, 1);

  // Here the address comes from a running stack instead of variables.
  const name = `order-test-${randomBytes(4).toString('hex')}`;
  const folder = fileURLToPath(new URL(`../../../../.run/${name}`, import.meta.url));
  mkdirSync(folder, { recursive: true });
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  // A stack counts while its process lives. The process of this test stands in for that process.
  writeFileSync(`${folder}/owner.json`, JSON.stringify(ownerOf(process.pid)));
  writeFileSync(`${folder}/stack.json`, JSON.stringify({ postgres: url, kafka: brokers }));
  const { stdout: now } = await run('refunds', ['--json'], env);
  for (const option of ['--name', '--stack']) {
    t.equal((await run('refunds', ['--json', option, name], {})).stdout, now, option);
  }
});

await test('a kept notice is listed, shown, replayed in the words of a person, or marked as done', async (t) => {
  const { pool, url } = await createDatabase(t);
  const env = { DATABASE_URL: url };
  t.match(await run('notices', ['list'], env), { code: 0, stdout: 'no notices wait' });
  const saleId = await storeSale(pool, { orange: 10 });
  const [order] = await storeOrders(pool, saleId, [{ userId: 'u1' }]);
  const { orders, notices } = buildEnds(pool);
  const meant = makeNotice(order?.reservationId ?? '');
  const sent = JSON.stringify({
    ...meant,
    data: { ...meant.data, amount: { amount: '1.00', currency: 'CNY' } },
  });
  t.equal(await notices.receive({ webhookId: 'msg_1', bytes: Buffer.from(sent) }), 'kept');
  t.equal(await notices.receive({ webhookId: 'm\u001b[31m', bytes: Buffer.from('\u001b[31mred') }), 'kept');
  const { stdout } = await run('notices', ['list', '--json'], env);
  const [first, second] = (JSON.parse(stdout) as KeptNoticePage).data;
  const id = first?.id ?? '';
  const table = await run('notices', ['list'], env);
  t.match(table, { code: 0, stdout: /msg_1 +data\.amount\.amount/ });
  const shown = await run('notices', ['show', second?.id ?? ''], env);
  t.notOk(`${table.stdout}${shown.stdout}`.includes('\u001b'), 'nothing that steers a terminal');
  t.ok((await run('notices', ['show', id], env)).stdout.endsWith(`\n\n${sent}\n`));
  t.match(await run('notices', ['replay', id], env), { code: 1, stderr: /amount/ });
  const folder = t.testdir({ 'fixed.json': JSON.stringify(meant), 'broken.json': '{' });
  t.match(await run('notices', ['replay', id, '--body', `${folder}/broken.json`], env), { code: 1 });
  for (let repeat = 0; repeat < 2; repeat += 1) {
    const replay = await run('notices', ['replay', id, '--body', `${folder}/fixed.json`], env);
    t.match(replay, { code: 0, stdout: `replayed: notice ${id}, paid` });
  }
  t.match(await orders.read(order?.reservationId ?? '', 'u1'), { status: 'paid' });
  const done = ['done', second?.id ?? '', '--reference'];
  t.match(await run('notices', [...done, 're_9'], env), { code: 0 });
  t.match(await run('notices', [...done, 're_9'], env), { code: 0 }, 'a repeat');
  t.match(await run('notices', [...done, 're_10'], env), { code: 1 });
  t.match(await run('notices', ['replay', second?.id ?? ''], env), { code: 1 });
  t.match(await run('notices', ['list'], env), { code: 0, stdout: 'no notices wait' });
  t.match(await run('notices', ['show', id], env), { stdout: /result +paid/ }, 'its bytes stay');
});

await test('each command is a program: its exit code and its words reach whoever started it', async (t) => {
  const { url } = await createDatabase(t);
  await createTopics(connectKafka('order-test'), SINGLE_BROKER);
  const env = { PATH: process.env['PATH'] ?? '', DATABASE_URL: url, KAFKA_BROKERS: brokers };
  const good: [string, string[], RegExp][] = [
    ['migrate', [], /^nothing to migrate\n$/],
    ['topics', [], /^nothing to create\n$/],
    ['dead-letters', ['list', '--json'], /^\[[^]*\]\n$/],
    ['refunds', [], /^no refunds are due\n$/],
    ['notices', ['list'], /^no notices wait\n$/],
  ];
  for (const [program, args, stdout] of good) {
    t.match(await runAsProcess(fileOf(program), args, { env }), { code: 0, stdout, stderr: '' }, program);
    const ended = await runAsProcess(fileOf(program), args, { env: { PATH: env.PATH } });
    t.match(
      ended,
      { code: 1, stdout: '', stderr: /is missing|^no stack named/ },
      `${program} without engines`,
    );
  }
});
