/**
 * Goal: what dies is started again, later each time, and given up when it never lasts. Method: the supervisor
 * with real processes that end at once, and waits of milliseconds.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'tap';
import { Supervisor } from '../../src/services/supervisor.ts';

function build(lastingMs = 60_000) {
  const lines: string[] = [];
  const given: string[] = [];
  const log = (line: string): void => void lines.push(line);
  const onGiveUp = (text: string): void => void given.push(text);
  return {
    lines,
    given,
    supervisor: new Supervisor({ log, onGiveUp }, { firstMs: 4, startsMax: 3, lastingMs }),
  };
}

async function startFailing(): Promise<void> {
  const child = spawn('/bin/sh', ['-c', 'exit 3']);
  const [code] = (await once(child, 'exit')) as [number];
  throw new Error(`exit code ${code}`);
}

await test('a process that does not start is tried with growing waits, then given up with the reason', async (t) => {
  const { lines, given, supervisor } = build();
  await supervisor.startAgain('order', 'ended by itself (SIGKILL)', startFailing);
  t.same(lines, [
    'order ended by itself (SIGKILL): starting it again in 0.004 s',
    'order does not start (exit code 3): starting it again in 0.008 s',
    'order does not start (exit code 3): starting it again in 0.016 s',
  ]);
  t.same(given, ['order was started again 3 times and does not last: does not start (exit code 3)']);
});

await test('a process that starts and dies again and again is given up too; one that lasted begins anew', async (t) => {
  const { lines, given, supervisor } = build();
  for (let death = 1; death <= 4; death += 1)
    await supervisor.startAgain('order', 'ended', async () => undefined);
  t.equal(lines.filter((line) => line === 'order runs again').length, 3);
  t.equal(given.length, 1);
  const lasting = build(0);
  for (let death = 1; death <= 9; death += 1) {
    await lasting.supervisor.startAgain('order', 'ended', async () => undefined);
  }
  t.same(lasting.given, []);
  t.ok(lasting.lines.every((line) => !line.includes('0.008')));
});

await test('nothing is started any more once all is to stop', async (t) => {
  const { lines, given, supervisor } = build();
  const waiting = supervisor.startAgain('order', 'ended', async () => void t.fail('started'));
  supervisor.stop();
  await waiting;
  await supervisor.startAgain('stock', 'ended', async () => void t.fail('started'));
  t.equal(lines.length, 1);
  t.same(given, []);
});
