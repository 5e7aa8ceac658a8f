/**
 * Goal: a stack is found while its process lives, and not a moment longer; who asks for another hears which
 * run.
 * Method: folders as a stack writes them, with this process, and with one that is gone, as owners.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { test } from 'tap';
import { ownerOf } from '../../src/command/process-owner.ts';
import { readStackFile, runningStacks } from '../../src/command/running-stacks.ts';

await test('a stack that is gone is not found, though its file is still there', async (t) => {
  const { pid } = spawnSync('true');
  const own = JSON.stringify(ownerOf(process.pid));
  const info = JSON.stringify({ postgres: 'postgres://a', jwtSecret: 's' });
  const folder = t.testdir({
    lives: { 'owner.json': own, 'stack.json': info },
    starts: { 'owner.json': own },
    engines: { 'owner.json': own, 'stack.json': JSON.stringify({ postgres: 'postgres://b' }) },
    killed: { 'owner.json': JSON.stringify({ pid, started: 'then' }), 'stack.json': info },
    // The number of the process that is gone was given to another one: to this process.
    replaced: { 'owner.json': JSON.stringify({ pid: process.pid, started: 'then' }), 'stack.json': info },
    unclaimed: { 'stack.json': info },
    'image.log': '',
  });
  t.same(runningStacks(folder).sort(), ['engines', 'lives', 'starts']);
  t.same(runningStacks(`${folder}/none`), []);
  t.match(readStackFile('lives', ['jwtSecret'], folder), { jwtSecret: 's', postgres: 'postgres://a' });
  t.match(readStackFile('engines', ['postgres'], folder), { postgres: 'postgres://b' });
  for (const name of ['killed', 'replaced', 'unclaimed', 'never']) {
    const message = new RegExp(
      `^no stack named "${name}" is running \\(running: .*lives.*\\); start one with npm start$`,
    );
    t.throws(() => readStackFile(name, ['jwtSecret'], folder), { message, exitCode: 1 });
  }
  t.throws(() => readStackFile('none', [], `${folder}/none`), {
    message: 'no stack named "none" is running; start one with npm start',
  });
  t.throws(() => readStackFile('starts', ['jwtSecret'], folder), { message: /is still starting$/ });
  t.throws(() => readStackFile('engines', ['jwtSecret'], folder), { message: /runs the engines alone/ });
  t.throws(() => readStackFile('../etc', [], folder), { message: /no stack can be named/, exitCode: 2 });
});

const isRoot = process.getuid?.() === 0 && 'root may read every folder';
await test('the stacks of another user are told in one line', { skip: isRoot }, async (t) => {
  const folder = t.testdir({ run: {} });
  chmodSync(`${folder}/run`, 0o000);
  t.teardown(() => {
    chmodSync(`${folder}/run`, 0o700);
  });
  t.throws(() => runningStacks(`${folder}/run`), {
    name: 'CommandError',
    message: /cannot be read: it is user /,
  });
});
