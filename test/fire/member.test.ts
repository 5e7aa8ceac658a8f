// Goal: who gave up on Kafka is told from everything else that ends a process, and whoever hurts a process
// that has ended by itself meets the one that was started again. Method: real processes that write a log of
// one file and end as told.
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startChild } from '@seckill/stack';
import { untilWithin } from '@seckill/testing';
import t, { type Test } from 'tap';
import { didGiveUp, endOf } from './giving-up.ts';
import { Member } from './member.ts';

const until = untilWithin(10_000);
const line = (level: number, message: string): string =>
  `${JSON.stringify({ level, time: 1, name: 'order', err: { type: 'Error', message }, msg: 'role' })}\n`;
const GIVING_UP = line(60, 'Broker not connected');
const FOR_EVER = 'exec sleep 60';
const gives = (text: string, code: number): string => `cat <<'END'\n${text}END\nexit ${code}`;

/** Its processes do what `scripts` says, one after the other, and then run for ever. */
function makeMember(t: Test, scripts: string[]) {
  const log = join(t.testdir({}), 'order-1.log');
  const heard = { deaths: [] as string[], givingUp: 0, launches: 0, most: 0 };
  let running = 0;
  const member = new Member({
    name: 'order-1',
    service: 'order',
    log,
    async launch() {
      heard.launches += 1;
      const child = await startChild({
        name: 'order-1',
        command: '/bin/sh',
        args: ['-c', scripts.shift() ?? FOR_EVER],
        env: process.env,
        output: { file: log },
      });
      running += 1;
      heard.most = Math.max(heard.most, running);
      void child.exited.then(() => (running -= 1));
      // A service serves some time after it was started.
      await sleep(100);
      return { url: 'http://127.0.0.1:1', metrics: 'http://127.0.0.1:2', child };
    },
    onDeath: (text) => heard.deaths.push(text),
    onGivingUp: () => (heard.givingUp += 1),
  });
  t.teardown(async () => {
    member.stop();
    await member.kill();
  });
  return { member, heard };
}

await t.test('only the last fatal line of the process itself says that it gave up', (t) => {
  const log = join(t.testdir({}), 'order-1.log');
  t.equal(endOf(log), 0, 'nothing was written yet');
  writeFileSync(log, GIVING_UP);
  t.ok(didGiveUp(log, 0));
  const from = endOf(log);
  t.notOk(didGiveUp(log, from), 'the one before said so');
  const cases: [name: string, written: string, gaveUp: boolean][] = [
    ['it warned', line(40, 'Broker not connected'), false],
    ['it died of another error', line(60, 'connect ECONNREFUSED'), false],
    ['of one that names it', line(60, 'stock said: Broker not connected'), false],
    ['after it, of another', GIVING_UP + line(60, 'out of memory'), false],
    ['not to the end', GIVING_UP.slice(0, -20), false],
    ['it went on to close', GIVING_UP + line(40, 'Closed connection') + line(50, 'did not close'), true],
  ];
  for (const [name, written, gaveUp] of cases) {
    writeFileSync(log, GIVING_UP);
    appendFileSync(log, written);
    t.equal(didGiveUp(log, from), gaveUp, name);
  }
  t.end();
});

await t.test('who once gave up is not excused for ever', async (t) => {
  const signal = `printf '%s' '${GIVING_UP}'; kill -s SEGV $$`;
  const { member, heard } = makeMember(t, [
    gives(GIVING_UP, 1),
    'exit 1',
    gives(line(60, 'other'), 1),
    signal,
  ]);
  await member.start();
  await until('the last of them runs', () => heard.launches === 5 && member.url !== undefined);
  t.equal(heard.givingUp, 1);
  t.same(
    heard.deaths,
    ['exit code 1', 'exit code 1', 'SIGSEGV'].map((how) => `order-1 ended by itself (${how})`),
  );
});

await t.test('whoever hurts a process that ended by itself waits until it was started again', async (t) => {
  const { member, heard } = makeMember(t, ['sleep 0.3', 'sleep 0.3']);
  await member.start();
  const first = await member.pid();
  await until('it has ended', () => heard.deaths.length === 1);
  const second = await member.pid();
  t.not(second, first);
  await until('it has ended again', () => heard.deaths.length === 2);
  await member.kill();
  t.equal(member.url, undefined);
  await t.rejects(member.pid(), { message: 'order-1 does not run' });
  await sleep(300);
  t.equal(heard.launches, 3, 'who was killed is not started again');
  await Promise.all([member.start(), member.start()]);
  t.equal(heard.launches, 4, 'and is started once');
  t.equal(heard.most, 1, 'never two of one name');
});
