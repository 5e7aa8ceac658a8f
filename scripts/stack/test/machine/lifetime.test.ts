/**
 * No process and no folder is left behind, however a run ends. Method: our commands as real processes with
 * real engines; their whole tree is noted while they run and looked up again afterwards.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readProcess } from '@seckill/runtime';
import { test } from 'tap';
import { folderOf } from '../../src/names.ts';
import { cleanEnv, DIST, foldersOf, killAll, livingOf, start, treeOf, until, untilSays } from '../support.ts';
import type { Ran } from '../support.ts';

const TWO = ['--only', 'redis,postgres'];

/** A command that says that it runs, and stays. */
const STAYS = ['--', process.execPath, '-e', 'console.log("command runs"); setInterval(() => {}, 1000)'];

let count = 0;

function nextName(): string {
  count += 1;
  return `life-${process.pid}-${count}`;
}

function exec(name: string, args: string[], env = cleanEnv()): Ran {
  return start(process.execPath, [join(DIST, 'commands/exec.js'), '--name', name, ...args], env);
}

async function untilRuns(ran: Ran): Promise<number[]> {
  await untilSays(ran, 'command runs');
  return treeOf(ran.pid);
}

await test('the command gets the addresses, its exit code is passed on and nothing is left', async (t) => {
  const name = nextName();
  const script =
    'console.log(Object.keys(process.env).filter((name) => /_URL$|_BROKERS$/.test(name)).join()); console.log(process.env.SECKILL_STACK_NAME); process.exit(7)';
  const ran = exec(name, [...TWO, '--', process.execPath, '-e', script]);
  t.match(await ran.exited, { code: 7 });
  t.match(ran.text(), /REDIS_URL/);
  t.match(ran.text(), /DATABASE_URL/);
  t.notMatch(ran.text(), /KAFKA_BROKERS/, 'only what was asked for');
  t.match(ran.text(), name);
  t.same(foldersOf(name), []);
  t.notOk(existsSync(folderOf(name)));
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  await test(`${signal} stops the command and then the engines, cleanly`, async (t) => {
    const name = nextName();
    const ran = exec(name, [...(signal === 'SIGINT' ? [] : TWO), ...STAYS]);
    const tree = await untilRuns(ran);
    t.ok(tree.length > 6, `a tree of ${tree.length}`);
    ran.child.kill(signal);
    t.match(await ran.exited, { code: signal === 'SIGINT' ? 130 : 143 });
    t.same(livingOf(tree), []);
    t.same(foldersOf(name), []);
    t.notOk(existsSync(folderOf(name)));
  });
}

await test('a second signal ends a command that does not listen at once', async (t) => {
  const name = nextName();
  const deaf = 'process.on("SIGTERM", () => {}); console.log("command runs"); setInterval(() => {}, 1000)';
  const ran = exec(name, ['--only', 'redis', '--', process.execPath, '-e', deaf]);
  const tree = await untilRuns(ran);
  const begun = performance.now();
  ran.child.kill('SIGINT');
  setTimeout(() => ran.child.kill('SIGINT'), 800);
  t.match(await ran.exited, { code: 130 });
  t.ok(performance.now() - begun < 3_000, 'without the 5 s that one signal would grant');
  await until('all gone', () => livingOf(tree).length === 0, 5_000);
  t.same(foldersOf(name), []);
});

await test('a signal in the middle of the start leaves nothing', async (t) => {
  const name = nextName();
  const ran = exec(name, STAYS);
  await untilSays(ran, 'ready after');
  const tree = treeOf(ran.pid);
  ran.child.kill('SIGINT');
  t.match(await ran.exited, { code: 130 });
  await until('all gone', () => livingOf(tree).length === 0, 5_000);
  t.same(foldersOf(name), []);
  t.notOk(existsSync(folderOf(name)));
});

await test('SIGKILL of the parent leaves no process, and the next start removes its folder', async (t) => {
  const name = nextName();
  // This test has a temporary folder of its own, because any other stack that starts meanwhile would remove
  // what this test looks for.
  const folder = mkdtempSync(join(tmpdir(), 'seckill-killed-'));
  chmodSync(folder, 0o755);
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const env = cleanEnv({ TMPDIR: folder });
  const ran = exec(name, STAYS, env);
  const tree = await untilRuns(ran);
  t.teardown(() => {
    killAll(tree);
  });
  ran.child.kill('SIGKILL');
  await until('all gone', () => livingOf(tree).length === 0, 5_000);
  t.equal(foldersOf(name, folder).length, 1, 'nobody was left to remove it');
  const next = exec(name, ['--only', 'redis', '--', 'true'], env);
  t.match(await next.exited, { code: 0 });
  t.match(next.text(), 'left by a stack that was killed');
  t.same(foldersOf(name, folder), []);
});

for (const signal of ['SIGINT', 'SIGKILL'] as const) {
  await test(`after ${signal} no frozen process of an engine is left`, async (t) => {
    const name = nextName();
    const ran = exec(name, [...TWO, ...STAYS]);
    const tree = await untilRuns(ran);
    t.teardown(() => {
      killAll(tree);
    });
    // PostgreSQL's own processes lead sessions of their own, and a frozen one never learns that its server
    // died.
    const parts = tree.filter((pid) => readProcess(pid)?.command === 'postgres');
    const server = parts.find((pid) => parts.some((other) => readProcess(other)?.parent === pid));
    const frozen = parts.filter((pid) => pid !== server);
    t.ok(frozen.length >= 3, `${frozen.length} processes`);
    for (const pid of frozen) process.kill(pid, 'SIGSTOP');
    ran.child.kill(signal);
    await ran.exited;
    await until('all gone', () => livingOf(tree).length === 0, 10_000);
    t.same(livingOf(tree), []);
  });
}

await test('SIGKILL of npm stops everything, though its shell lives on', async (t) => {
  const name = nextName();
  const folder = mkdtempSync(join(tmpdir(), 'seckill-npm-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  // The script is a list of commands, as in the root package.json, so the shell stays between npm and node.
  const command = `true && ${process.execPath} ${join(DIST, 'commands/exec.js')} --name ${name} --only redis,postgres -- sh -c 'echo command runs; sleep 600'`;
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ scripts: { it: command } }));
  const ran = start('npm', ['run', 'it'], cleanEnv(), folder);
  await untilSays(ran, 'command runs\n');
  const tree = treeOf(ran.pid);
  ran.child.kill('SIGKILL');
  await until('all gone', () => livingOf(tree).length === 0, 15_000);
  t.same(foldersOf(name), []);
});

await test('Ctrl-C in npm is one wish: everything stops in order', async (t) => {
  const name = nextName();
  const folder = mkdtempSync(join(tmpdir(), 'seckill-npm-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const command = `true && ${process.execPath} ${join(DIST, 'commands/engines.js')} --name ${name}`;
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ scripts: { it: command } }));
  const ran = start('setsid', ['npm', 'run', 'it'], cleanEnv(), folder);
  await untilSays(ran, 'Ctrl-C stops');
  const tree = treeOf(ran.pid);
  t.ok(existsSync(join(folderOf(name), 'stack.json')));
  // The signal goes to every process of the foreground group, as a terminal sends it.
  process.kill(-ran.pid, 'SIGINT');
  await ran.exited;
  await until('all gone', () => livingOf(tree).length === 0, 15_000);
  t.match(ran.text(), 'SIGINT: stopping');
  t.notOk(existsSync(folderOf(name)));
  t.same(foldersOf(name), []);
});

await test('a data folder whose owner lives is left alone', async (t) => {
  const other = join(tmpdir(), `seckill-stack-other-${process.pid}`);
  mkdirSync(other);
  t.teardown(() => {
    rmSync(other, { recursive: true });
  });
  const { ownerOf } = await import('@seckill/runtime');
  writeFileSync(join(other, 'owner.json'), JSON.stringify(ownerOf(process.pid)));
  t.match(await exec(nextName(), ['--only', 'redis', '--', 'true']).exited, { code: 0 });
  t.ok(existsSync(other));
  writeFileSync(join(other, 'owner.json'), JSON.stringify({ pid: process.pid, started: 'another time' }));
  t.match(await exec(nextName(), ['--only', 'redis', '--', 'true']).exited, { code: 0 });
  t.notOk(existsSync(other), 'the same pid, but of an earlier process');
  mkdirSync(other);
});
