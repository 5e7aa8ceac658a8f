// Goal: a process that ends by itself is told, and whoever hurts it then meets the one that was started
// again. Method: real processes that end as told.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startChild } from '@seckill/stack';
import { untilWithin } from '@seckill/testing';
import t, { type Test } from 'tap';
import { Member } from './member.ts';

const until = untilWithin(10_000);
const FOR_EVER = 'exec sleep 60';

/** A member whose processes do what `scripts` says, one after the other, and then run for ever. */
function makeMember(t: Test, scripts: string[]) {
  const log = join(t.testdir({}), 'order-1.log');
  const heard = { deaths: [] as string[], launches: 0, most: 0 };
  let running = 0;
  const member = new Member({
    name: 'order-1',
    service: 'order',
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
  });
  t.teardown(async () => {
    member.stop();
    await member.kill();
  });
  return { member, heard };
}

await t.test('whatever ends a process by itself is told, and it is started again', async (t) => {
  const { member, heard } = makeMember(t, ['exit 1', 'exit 0', 'kill -s SEGV $$']);
  await member.start();
  await until('the last of them runs', () => heard.launches === 4 && member.url !== undefined);
  t.same(
    heard.deaths,
    ['exit code 1', 'exit code 0', 'SIGSEGV'].map((how) => `order-1 ended by itself (${how})`),
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
