// Goal: a payment notice that nobody understood can be found, read and answered.
// Method: the built command on a real Postgres. All command lines run in one process, which stays.
import type { KeptNoticePage } from '@seckill/contracts';
import { test } from 'tap';
import { buildEnds } from '../support/build.ts';
import { startCommands } from '../support/commands.ts';
import { createDatabase } from '../support/database.ts';
import { makeNotice, storeOrders, storeSale } from '../support/reservations.ts';

const run = startCommands();

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
  // The list pages, and is asked by the time at which notices came.
  await pool.query('UPDATE kept_notices SET received_at = $2 WHERE id = $1', [id, '2026-11-22T12:00:00Z']);
  const idsOf = async (...args: string[]) => {
    const listed = await run('notices', ['list', '--json', ...args], env);
    return (JSON.parse(listed.stdout) as KeptNoticePage).data.map((one) => one.id);
  };
  t.same(await idsOf('--since', '2026-11-22T12:00:00.001Z'), [second?.id]);
  t.same(await idsOf('--since', '2026-11-22T12:00:00Z', '--until', '2026-11-22T12:00:00.001Z'), [id]);
  t.same(await idsOf('--until', '2026-11-22T12:00:00Z'), []);
  const table = await run('notices', ['list'], env);
  t.match(table, { code: 0, stdout: /msg_1 +data\.amount\.amount/ });
  const shown = await run('notices', ['show', second?.id ?? ''], env);
  t.notOk(`${table.stdout}${shown.stdout}`.includes('\u001b'), 'nothing that steers a terminal');
  t.ok((await run('notices', ['show', id], env)).stdout.endsWith(`\n\n${sent}\n`));
  t.match(await run('notices', ['replay', id], env), { code: 1, stderr: /amount/ });
  const folder = t.testdir({
    'fixed.json': JSON.stringify(meant),
    'broken.json': '{',
    'other.json': JSON.stringify({ ...meant, type: 'payment.succeded' }),
  });
  const other = await run('notices', ['replay', id, '--body', `${folder}/other.json`], env);
  t.match(other, { code: 1, stderr: /type/ }, 'a type that pays nothing would end the notice');
  t.match(await run('notices', ['list'], env), { code: 0, stdout: /msg_1/ }, 'it still waits');
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
