// Goal: money that is to be given back can be found and understood, and is marked once.
// Method: the built command on a real Postgres. All command lines run in one process, which stays.
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { RefundPage } from '@seckill/contracts';
import { ownerOf } from '@seckill/runtime';
import { test } from 'tap';
import { buildEnds, buildIntake, makeContext } from '../support/build.ts';
import { KAFKA_BROKERS, startCommands } from '../support/commands.ts';
import { createDatabase } from '../support/database.ts';
import { makeNotice, makeReservation, storeOrders, storeSale, toBatch } from '../support/reservations.ts';

const run = startCommands();

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
  const nothing = { amount: { amount: 0, currency: 'CNY' } };
  await payments.accept(makeNotice(a, { paymentId: 'nothing', ...nothing }));
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
  writeFileSync(`${folder}/stack.json`, JSON.stringify({ postgres: url, kafka: KAFKA_BROKERS }));
  const { stdout: now } = await run('refunds', ['--json'], env);
  for (const option of ['--name', '--stack']) {
    t.equal((await run('refunds', ['--json', option, name], {})).stdout, now, option);
  }
});
