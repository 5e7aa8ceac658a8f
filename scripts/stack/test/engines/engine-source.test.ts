/**
 * Goal: engines come from where they should, and run under the name that was asked for. Method: our commands
 * as processes in surroundings made for the purpose: an empty PATH, a folder that nobody else may enter, a
 * name that is taken.
 */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { decodeJwt, jwtVerify } from 'jose';
import { test } from 'tap';
import type { Test } from 'tap';
import { tryClaimFile } from '../../src/machine/claims.ts';
import { imageOf } from '../../src/engines/docker.ts';
import { signToken } from '../../src/services/jwt.ts';
import { folderOf, ROOT } from '../../src/names.ts';
import { cleanEnv, DIST, foldersOf, start, untilSays } from '../support.ts';
import type { Ran } from '../support.ts';

let count = 0;

function nextName(): string {
  count += 1;
  return `source-${process.pid}-${count}`;
}

function run(file: string, args: string[], env = cleanEnv()): Ran {
  return start(process.execPath, [join(DIST, 'commands', file), ...args], env);
}

const TOLD = ['SECKILL_STACK_NAME', 'REDIS_URL', 'KAFKA_BROKERS', 'DATABASE_URL'] as const;
type Told = Record<(typeof TOLD)[number], string>;

/**
 * Has a command write what it is told into a file, because its output is shown when a test fails, and
 * passwords must not be shown.
 */
function tell(t: Test): { command: string; read: () => Told } {
  const file = join(mkdtempSync(join(tmpdir(), 'seckill-told-')), 'told.json');
  t.teardown(() => {
    rmSync(dirname(file), { recursive: true });
  });
  const pairs = TOLD.map((name) => `"${name}":"$${name}"`).join();
  return {
    command: `cat > '${file}' <<END\n{${pairs}}\nEND\n`,
    read: () => JSON.parse(readFileSync(file, 'utf8')) as Told,
  };
}

/** Engines that stay until the test ends; resolves when they are up. */
async function keep(t: Test, name: string, only: string): Promise<Told> {
  const { command, read } = tell(t);
  const script = `${command}echo up; sleep 600`;
  const ran = run('exec.js', ['--name', name, '--only', only, '--', 'sh', '-c', script]);
  t.teardown(async () => {
    ran.child.kill('SIGTERM');
    await ran.exited;
  });
  await untilSays(ran, '\nup\n');
  return read();
}

await test('two stacks of one name run side by side with engines of their own', async (t) => {
  const name = nextName();
  const [first, second] = await Promise.all([
    keep(t, name, 'redis,postgres'),
    keep(t, name, 'redis,postgres'),
  ]);
  const names = [first.SECKILL_STACK_NAME, second.SECKILL_STACK_NAME].sort();
  t.same(names, [name, `${name}-2`]);
  for (const variable of ['REDIS_URL', 'DATABASE_URL'] as const) {
    const [one, other] = [new URL(first[variable]), new URL(second[variable])];
    t.not(one.host, other.host, variable);
    t.ok(one.password !== other.password && one.password !== '', `${variable}: a password of its own`);
  }
});

await test('npm run stack refuses a name in use, and a dead one’s file does not block it', async (t) => {
  const name = nextName();
  const ran = run('engines.js', ['--name', name]);
  t.teardown(async () => {
    ran.child.kill('SIGTERM');
    await ran.exited;
  });
  await untilSays(ran, 'Ctrl-C stops');
  const file = join(folderOf(name), 'stack.json');
  t.equal(statSync(file).mode & 0o777, 0o600);
  const info = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
  t.ok(/^redis:\/\/:.{32}@127\.0\.0\.1:\d+$/.test(info['redis'] ?? ''), 'the address of Redis');
  const passwords = [info['redis'], info['postgres']].map((url) => new URL(url ?? '').password);
  t.ok(
    passwords.every((password) => password.length === 32 && !ran.text().includes(password)),
    'not printed',
  );

  const refused = run('engines.js', ['--name', name]);
  t.match(await refused.exited, { code: 1 });
  t.match(refused.text(), `a stack named "${name}" is already running (pid ${ran.pid})`);
  t.ok(existsSync(file), 'the first keeps its file');

  const token = run('token.js', ['--name', name, '--user', 'u1']);
  t.match(await token.exited, { code: 1 });
  t.match(token.text(), 'runs the engines alone');

  ran.child.kill('SIGKILL');
  await ran.exited;
  t.ok(existsSync(file), 'left behind');
  const next = run('exec.js', [
    '--name',
    name,
    '--only',
    'redis',
    '--',
    'sh',
    '-c',
    'echo $SECKILL_STACK_NAME',
  ]);
  t.match(await next.exited, { code: 0 });
  t.match(next.text(), new RegExp(`^${name}$`, 'm'));
  t.notOk(existsSync(file));
});

await test('an address in the environment is used as given and nothing is started for it', async (t) => {
  const url = 'redis://somewhere.example:6379';
  const brokers = 'a.example:9092,b.example:9092';
  const env = cleanEnv({ REDIS_URL: url, KAFKA_BROKERS: brokers, DATABASE_URL: 'postgres://c.example/d' });
  const { command, read } = tell(t);
  const ran = run('exec.js', ['--name', nextName(), '--', 'sh', '-c', command], env);
  t.match(await ran.exited, { code: 0 });
  const told = read();
  t.equal(told.REDIS_URL, url);
  t.equal(told.KAFKA_BROKERS, brokers);
  t.match(ran.text(), 'kafka ready after 0.0 s (environment)');
});

await test('an engine that cannot be had is named, with the two ways to get it', async (t) => {
  const name = nextName();
  const cache = mkdtempSync(join(tmpdir(), 'seckill-cache-'));
  t.teardown(() => {
    rmSync(cache, { recursive: true });
  });
  const { JAVA_HOME: _j, KAFKA_HOME: _k, ...env } = cleanEnv({ PATH: '/nowhere', SECKILL_CACHE_DIR: cache });
  for (const [engine, variable, words] of [
    ['redis', 'REDIS_URL', 'apt-get install redis-server'],
    ['kafka', 'KAFKA_BROKERS', 'apt-get install default-jre-headless maven'],
  ] as const) {
    const ran = run('exec.js', ['--name', name, '--only', engine, '--', 'true'], env);
    t.match(await ran.exited, { code: 1 });
    t.match(ran.text(), `${engine} is missing`);
    t.match(ran.text(), 'Either start Docker');
    t.match(ran.text(), words);
    t.match(ran.text(), `or point ${variable} to one that runs`);
    t.notMatch(ran.text(), /\n\s+at /, 'no stack trace');
  }
  t.same(foldersOf(name), []);
  t.notOk(existsSync(folderOf(name)));
});

await test('everything works from a folder that only its owner may enter', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'seckill-home-'));
  chmodSync(home, 0o700);
  t.teardown(() => {
    rmSync(home, { recursive: true });
  });
  const copy = join(home, 'checkout');
  mkdirSync(join(home, 'tmp'));
  for (const path of ['dist', 'kafka', 'package.json']) {
    cpSync(join(ROOT, 'scripts/stack', path), join(copy, 'scripts/stack', path), { recursive: true });
  }
  cpSync(join(ROOT, 'docker-compose.yml'), join(copy, 'docker-compose.yml'));
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  const command = [join(copy, 'scripts/stack/dist/commands/exec.js'), '--name', nextName(), '--', 'true'];
  const ran = start(process.execPath, command, cleanEnv({ TMPDIR: join(home, 'tmp') }), copy);
  const { code } = await ran.exited;
  if (code !== 0) t.comment(ran.text());
  t.equal(code, 0);
  for (const engine of ['redis', 'kafka', 'postgres']) t.match(ran.text(), `${engine} ready`);
});

await test('a program that ends at once is reported with the tail of its log', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-path-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const broken =
    '#!/bin/sh\n[ "$1" = --version ] && echo "Redis server v=7.2.0 x" && exit 0\necho "the disk is on fire"\nexit 1\n';
  writeFileSync(join(folder, 'redis-server'), broken, { mode: 0o755 });
  const name = nextName();
  const env = cleanEnv({ PATH: `${folder}:/usr/bin:/bin` });
  const ran = run('exec.js', ['--name', name, '--only', 'redis', '--', 'true'], env);
  t.match(await ran.exited, { code: 1 });
  t.match(ran.text(), 'redis ended at once; its log:\nthe disk is on fire');
  t.same(foldersOf(name), []);
});

await test('every command explains itself and refuses unknown options', async (t) => {
  for (const file of ['exec.js', 'engines.js', 'start.js', 'token.js']) {
    const help = run(file, ['--help']);
    t.match(await help.exited, { code: 0 });
    t.match(help.text(), '--name NAME');
    const wrong = run(file, ['--nmae', 'x']);
    t.match(await wrong.exited, { code: 2 });
    t.match(wrong.text(), '--nmae');
  }
  const name = run('exec.js', ['--name', '../x', '--', 'true']);
  t.match(await name.exited, { code: 2 });
  t.match(name.text(), /^--name: no stack can be named "..\/x".*; see --help\n$/);
});

await test('a token names the user, ends, and carries the scope only for an operator', async (t) => {
  const secret = 'a'.repeat(43);
  const key = new TextEncoder().encode(secret);
  const { payload, protectedHeader } = await jwtVerify(
    await signToken(secret, { userId: 'u1', ttlSeconds: 60 }),
    key,
  );
  t.match(payload, { sub: 'u1' });
  t.equal(protectedHeader.alg, 'HS256');
  t.equal((payload.exp ?? 0) - (payload.iat ?? 0), 60);
  t.notOk('scope' in payload);
  t.match(decodeJwt(await signToken(secret, { userId: 'op', isOperator: true })), { scope: 'sale:admin' });
  await t.rejects(jwtVerify(await signToken('b'.repeat(43), { userId: 'u1' }), key));
});

await test('docker-compose.yml names an image for each engine, and Kafka’s is the version of the jars', async (t) => {
  const pom = readFileSync(join(ROOT, 'scripts/stack/kafka/pom.xml'), 'utf8');
  const version = /kafka_2\.13<\/artifactId>\s*<version>([^<]+)/.exec(pom)?.[1];
  t.equal(imageOf('kafka'), `apache/kafka:${version ?? ''}`);
  t.match(imageOf('redis'), /^valkey\/valkey:\d/);
  t.match(imageOf('postgres'), /^postgres:\d/);
});

await test('a claimed file has one holder until it is released, and a dead holder holds nothing', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-claim-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const file = join(folder, 'owner.json');
  const release = tryClaimFile(file);
  t.ok(release);
  t.equal(tryClaimFile(file), undefined);
  release?.();
  writeFileSync(file, JSON.stringify({ pid: process.pid, started: 'another time' }));
  t.ok(tryClaimFile(file), 'a pid that was given again does not count');
  t.equal(tryClaimFile(file), undefined);
});
