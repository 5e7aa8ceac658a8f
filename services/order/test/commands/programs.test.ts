// Goal: a command that cannot do what was asked says so in words, and by its exit code.
// Method: the built commands on a real Kafka and a real Postgres. Each command is a process of its own in the
// last test; all other command lines run in one process, which stays.
import { connectKafka, runAsProcess } from '@seckill/testing';
import { test } from 'tap';
import { createTopics } from '../../src/commands/topics.ts';
import { fileOf, KAFKA_BROKERS, startCommands } from '../support/commands.ts';
import { createDatabase } from '../support/database.ts';
import { SINGLE_BROKER } from '../support/kafka.ts';

const run = startCommands();

await test('a command says in words what it cannot do', async (t) => {
  const { url } = await createDatabase(t);
  await createTopics(connectKafka('order-test'), SINGLE_BROKER);
  const env = { DATABASE_URL: url, KAFKA_BROKERS };
  const table: [string[], Record<string, string>, number, RegExp][] = [
    [['show', '0-999999999'], env, 1, /there is no dead letter 0-999999999/],
    [['show', 'nonsense'], env, 2, /expected <partition>-<offset>/],
    [['replay', '--all', '0-1'], env, 2, /takes no 0-1/],
    [[], env, 2, /^one of list, show, replay, done is needed, met nothing; see --help\n$/],
    [['done', '0-1'], env, 2, /^done wants --reason; see --help\n$/],
    [['done', '0-1', '--reason', 'a\u202eb'], env, 2, /^--reason must be 1 to 200/],
    [['list', '--reason', 'r'], env, 2, /^list takes no --reason/],
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
    t.match(await run(program, [], {}), { code: 1, stderr: /^configuration is not usable: [^\n]+\n$/ });
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
  for (const [program, ...args] of [
    ['refunds'],
    ['notices', 'list'],
    ['dead-letters', 'list'],
    ['contacts', 'erase', '--sale', 'pears'],
    ['logs', '--order', `s.0.${'a'.repeat(38)}`],
  ] as const) {
    const stderr = 'configuration is not usable: DATABASE_URL is missing\n';
    t.match(await run(program, [...args], { KAFKA_BROKERS }), { code: 1, stdout: '', stderr }, program);
  }
});

await test('each command is a program: its exit code and its words reach whoever started it', async (t) => {
  const { url } = await createDatabase(t);
  await createTopics(connectKafka('order-test'), SINGLE_BROKER);
  const env = { PATH: process.env['PATH'] ?? '', DATABASE_URL: url, KAFKA_BROKERS };
  const good: [string, string[], RegExp][] = [
    ['migrate', [], /^nothing to migrate\n$/],
    ['topics', [], /^nothing to create\n$/],
    ['dead-letters', ['list', '--json'], /^\{\n {2}"data": \[[^]*\}\n$/],
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
