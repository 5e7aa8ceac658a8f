/**
 * Goal: in every command of package.json a slip of the finger costs one line and the exit code 2, and starts
 * nothing.
 * Method: the commands as package.json has them; wrong options of every kind. Each command is a process once.
 * All other command lines run in one process, which runs the same files from their first line to their exit.
 * No stack has to run, because a command says what is wrong before it asks an engine.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { test } from 'tap';
import { ROOT } from '@seckill/stack';
import { CommandRunner, runAsProcess, type Ended } from '@seckill/testing';

t.setTimeout(180_000);

const { scripts } = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8')) as {
  scripts: Record<string, string>;
};

/** Programs of ours by the name of their npm command, and what starts engines for one command. */
const PROGRAMS = new Map([
  ...Object.entries(scripts).flatMap(([name, text]): [string, string][] => {
    const file = /node (\S+\/dist\/\S+\.js)$/.exec(text)?.[1];
    return file === undefined ? [] : [[name, file]];
  }),
  ['exec', 'scripts/stack/dist/commands/exec.js'],
]);

const env = { ...process.env, NODE_OPTIONS: '', DATABASE_URL: '', KAFKA_BROKERS: '' };
const fileOf = (name: string): string => `${ROOT}/${PROGRAMS.get(name) ?? ''}`;

const commands = new CommandRunner(ROOT);
t.teardown(() => commands.stop());
const run = (name: string, ...args: string[]): Promise<Ended> => commands.run(fileOf(name), args, env);

const ONE_LINE = /^[^\n]+; see --help\n$/;

await test('every command explains itself, and refuses what it does not know', async (t) => {
  t.ok(PROGRAMS.size >= 13, [...PROGRAMS.keys()].join(' '));
  for (const name of PROGRAMS.keys()) {
    t.match(await run(name, '--help'), { code: 0, stdout: /^[^]*npm [^]*$|^[^]*exec\.js/, stderr: '' }, name);
    const ended = await runAsProcess(fileOf(name), ['--colour', 'red'], { env, cwd: ROOT });
    t.match(ended, { code: 2, stdout: '', stderr: ONE_LINE }, `${name} --colour`);
  }
});

const WRONG: [command: string, args: string, says: RegExp][] = [
  ['start', '--name ../x', /^--name: no stack can be named "..\/x"/],
  ['stack', '--name', /^--name wants a value/],
  ['refunds', '--stack', /^--stack wants a value/],
  ['rebuild', '--name a --stack a', /^--name is given twice/],
  ['topics', 'everything', /^"everything" is a word too many/],
  ['exec', '--only mysql -- true', /^--only knows no engine "mysql"/],
  ['secrets', '--force=yes', /^--force takes no value/],
  ['token', '--user u --ttl 0', /^--ttl must be a whole number/],
  ['sale', '', /^say apply, diff, get or list/],
  ['sale', 'get', /^get wants a sale/],
  ['sale', 'list --lower', /^--lower is not for list/],
  ['sale', 'apply /nonexistent', /^\/nonexistent: cannot be read/],
  ['sale', `apply package.json --reason ${'r'.repeat(201)}`, /^--reason must be 1 to 200 characters/],
  ['sale', 'apply package.json --reason a\u202eb', /^--reason must be 1 to 200 characters/],
  ['sale', 'apply package.json --reason a\u0007b', /^--reason must be 1 to 200 characters/],
  ['sale', 'diff package.json', /^package\.json:2: name: is not a known field/],
  ['sale', 'get x --url http://h/path', /^--url must be an address alone/],
  ['demo', '--buyers abc', /^--buyers must be a whole number from 1 to/],
  ['demo', '--json /nonexistent/x', /^--json cannot be written/],
  ['plan', '--sale /nonexistent --crowd 5', /^--sale cannot be read/],
  ['plan', '--sale package.json --crowd 5', /is no sale/],
  ['image', '--tag', /^--tag wants a value/],
  ['image', '--release', /^a release names its base with a digest/],
  ['dead-letters', 'burn', /^one of list, show, replay, done is needed, met burn/],
  ['dead-letters', 'list --all', /^list takes no --all/],
  ['dead-letters', 'replay --all 0-1', /^replay takes no 0-1/],
  ['contacts', 'burn --sale a', /^erase is needed, met burn/],
  ['contacts', 'erase', /^erase wants --sale or --order/],
  ['contacts', 'erase --sale a --order a.0.x', /^--order must be the id of an order/],
  ['logs', '', /^--order is needed/],
  ['logs', '--order no-order', /^--order must be the id of a reservation/],
  ['logs', `--order s.0.${'a'.repeat(38)} /nonexistent`, /^\/nonexistent is no file/],
  ['rebuild', 'No!', /^"No!" is no sale id/],
  ['bench', '', /^a scenario is needed/],
  ['bench', 'nothing', /^there is no scenario "nothing"/],
  ['bench', 'reserve --target notaurl --secret s', /^--target must be an address/],
  ['bench', 'reserve --target http://h --name x --secret s', /^either --name or --target/],
  ['bench', 'reserve --connections 1.5', /^--connections must be a whole number/],
  ['bench', 'reserve --out /dev/null', /^--out cannot be written: it is a file/],
  ['bench', 'reserve --json /nonexistent/x', /^--json cannot be written/],
  ['bench', 'reserve --order-lag-p99 5 --target http://h --secret s', /^--order-lag-p99 wants --redis/],
  ['bench', 'soak --rate 1000 --duration 86400', /^86400000 arrivals are more than one run plans/],
  [
    'bench',
    'settle-storm --target http://h --secret s',
    /^settle-storm wants --redis, --kafka and --postgres/,
  ],
  ['bench', 'intake --target http://h --secret s', /^intake takes no --target/],
  ['bench', 'compare --json /nonexistent/x', /^--json cannot be written/],
  ['bench', 'diff /nonexistent/a.json /nonexistent/b.json', /^\/nonexistent\/a\.json cannot be read/],
  ['bench', 'diff package.json package.json', /^package\.json is no result of this bench/],
];

const LATIN = join(t.testdir({}), 'latin.json');
writeFileSync(LATIN, Buffer.from('{ "id": "pears", "title": "p\xe9ch\xe9" }', 'latin1'));
WRONG.push(
  ['sale', `apply ${LATIN}`, /latin\.json: is not UTF-8/],
  ['sale', `diff ${LATIN}`, /latin\.json: is not UTF-8/],
  ['plan', `--sale ${LATIN} --crowd 5`, /latin\.json is not UTF-8/],
);

await test('a wrong word is named at the beginning of one line, with exit code 2', async (t) => {
  for (const [name, args, says] of WRONG) {
    const ended = await run(name, ...args.split(' ').filter((word) => word !== ''));
    const title = `${name} ${args}`;
    t.match(ended, { code: 2, stdout: '', stderr: says }, title);
    t.match(ended.stderr, ONE_LINE, title);
  }
});

await test('no word that was typed can break the one line', async (t) => {
  t.match(await run('start', '--name', 'a\nb'), { code: 2, stderr: ONE_LINE });
});

await test('a command for a stack that does not run fails in one line, and says how to start one', async (t) => {
  for (const [name, ...args] of [
    ['token', '--user', 'u1'],
    ['refunds'],
    ['logs', '--order', `s.0.${'a'.repeat(38)}`],
    ['dead-letters', 'list'],
    ['sale', 'list'],
    ['rebuild', 'some-sale'],
    ['bench', 'reserve'],
  ] as const) {
    const ended = await run(name, ...args, '--name', 'no-such-stack');
    t.match(ended, {
      code: 1,
      stdout: '',
      stderr: /^no stack named "no-such-stack" is running[^\n]*; start one with npm start\n$/,
    });
  }
});
