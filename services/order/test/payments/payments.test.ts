// Goal: whatever notices come, in whatever order and number, an order is paid at most once, by the right
// amount, and no money is dropped (D7).
// Method: the real intake and the real way of a notice on a real Postgres; transactions held open where they
// race.
import { createPool, transaction } from '@seckill/runtime';
import { countOf, silent } from '@seckill/testing';
import { test } from 'tap';
import { applyEarlyNotices, takeIntakeLocks } from '../../src/payments/payment-store.ts';
import { createDatabase } from '../support/database.ts';
import { buildEnds, buildIntake, makeContext, until } from '../support/build.ts';
import {
  findLedgerMismatches,
  makeNotice,
  makeReservation,
  readOrders,
  readPayments,
  readVerdicts,
  storeOrders,
  storeSale,
  toBatch,
} from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

await test('a notice pays a pending order, and its repeats say so', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 10 });
  const [order] = await storeOrders(pool, saleId, [{ userId: 'u1' }]);
  const { payments, orders, metrics, seen } = buildEnds(pool);
  const orderId = order?.reservationId ?? '';
  t.equal(await payments.accept(makeNotice(orderId)), 'paid');
  t.equal(seen.wakes, 1, 'the relay is woken');
  for (let repeat = 0; repeat < 4; repeat += 1) {
    t.equal(await payments.accept(makeNotice(orderId)), 'already_paid');
  }
  const paid = await orders.read(orderId, 'u1');
  t.match(paid, { status: 'paid', paidAt: /Z$/, pickupCode: /^\d{6}$/ });
  t.notOk('endedAt' in paid);
  t.match(await readPayments(pool), [{ result: 'paid', reason: null, notices: 5 }]);
  t.same([...(await readVerdicts(pool))], [[orderId, ['paid']]], 'one settlement');
  t.same(await findLedgerMismatches(pool), [], 'the ledger stays as it is');
  t.equal(await countOf(metrics.payments, 'paid'), 1);
  t.equal(await countOf(metrics.payments, 'already_paid'), 4);
  t.equal(await countOf(metrics.ordersEnded, 'paid'), 1);
});

await test('of ten repeats at once one pays', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 10 });
  const values = await storeOrders(pool, saleId, Array<object>(10).fill({}));
  const { payments } = buildEnds(pool);
  for (const { reservationId } of values) {
    const notice = makeNotice(reservationId);
    const results = await Promise.all(Array.from({ length: 10 }, () => payments.accept(notice)));
    t.equal(results.filter((result) => result === 'paid').length, 1);
    t.equal(results.filter((result) => result === 'already_paid').length, 9);
  }
  t.ok((await readPayments(pool)).every(({ notices }) => notices === 10));
  t.ok([...(await readVerdicts(pool)).values()].every((told) => told.join() === 'paid'));
});

await test('a wrong amount or currency is due for refund, and the order stays payable', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 10 });
  const [order] = await storeOrders(pool, saleId, [{}]);
  const { payments, metrics } = buildEnds(pool);
  const orderId = order?.reservationId ?? '';
  const wrong = [
    { amount: 99, currency: 'CNY' },
    { amount: 101, currency: 'CNY' },
    { amount: 0, currency: 'CNY' },
    { amount: 100, currency: 'EUR' },
  ];
  for (const [index, amount] of wrong.entries()) {
    const notice = makeNotice(orderId, { amount, paymentId: `wrong-${index}` });
    t.equal(await payments.accept(notice), 'refund_due');
    t.equal(await payments.accept(notice), 'refund_due', 'again when repeated');
  }
  t.match(await readOrders(pool), [{ status: 'pending' }]);
  t.equal(await countOf(metrics.refundsDue, 'wrong_amount'), 4, 'a repeat is no second refund');
  t.equal(await payments.accept(makeNotice(orderId)), 'paid');
  t.equal(
    await payments.accept(makeNotice(orderId, { amount: { amount: 99, currency: 'CNY' } })),
    'refund_due',
    'also when it contradicts the notice that paid',
  );
  const rows = await readPayments(pool);
  t.equal(rows.length, 6);
  t.equal(rows.filter(({ reason }) => reason === 'wrong_amount').length, 5);
});

await test('money for an order that is paid, cancelled, expired or refused is due for refund', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 4 });
  const values = await storeOrders(pool, saleId, [{}, {}, {}, {}, {}]);
  const ids = values.map(({ reservationId }) => reservationId);
  const [paid = '', cancelled = '', expired = '', , refused = ''] = ids;
  const { payments, orders, metrics } = buildEnds(pool);
  t.equal(await payments.accept(makeNotice(paid)), 'paid');
  await orders.cancel(cancelled, values[1]?.userId ?? '');
  await pool.query(`UPDATE orders SET status = 'expired', ended_at = now() WHERE id = $1`, [expired]);
  t.equal(await payments.accept(makeNotice(paid, { paymentId: 'second' })), 'refund_due');
  for (const id of [cancelled, expired, refused]) {
    t.equal(await payments.accept(makeNotice(id)), 'refund_due');
    t.equal(await payments.accept(makeNotice(id)), 'refund_due');
  }
  t.match(
    (await readPayments(pool)).map(({ reason, notices }) => [reason, notices]),
    [
      [null, 1],
      ['second_payment', 1],
      ['order_ended', 2],
      ['order_ended', 2],
      ['order_ended', 2],
    ],
  );
  t.equal(await countOf(metrics.refundsDue, 'order_ended'), 3);
  t.same(
    (await readOrders(pool)).map(({ status }) => status),
    ['paid', 'cancelled', 'expired', 'pending', 'refused'],
    'no order changed',
  );
});

await test('one payment for several orders pays each with its own amount, each once', async (t) => {
  const { pool } = await createDatabase(t, { connections: 20 });
  const saleId = await storeSale(pool, { orange: 100 });
  const values = await storeOrders(
    pool,
    saleId,
    Array.from({ length: 20 }, (_, index) => ({
      lines: [{ sku: 'orange', quantity: 1, price: 100 + index }],
    })),
  );
  const { payments, metrics } = buildEnds(pool);
  const notices = values.map(({ reservationId }, index) =>
    makeNotice(reservationId, { paymentId: 'one', amount: { amount: 100 + index, currency: 'CNY' } }),
  );
  // The notices come all at once, and each three times.
  const results = await Promise.all(
    [...notices, ...notices, ...notices].map((notice) => payments.accept(notice)),
  );
  t.equal(results.filter((result) => result === 'paid').length, 20);
  t.equal(results.filter((result) => result === 'already_paid').length, 40);
  t.ok((await readOrders(pool)).every(({ status }) => status === 'paid'));
  t.ok(
    [...(await readVerdicts(pool)).values()].every((told) => told.join() === 'paid'),
    'told once each',
  );
  t.equal(await countOf(metrics.ordersEnded, 'paid'), 20);
  const [first = makeNotice('')] = notices;
  const other = { ...first, data: { ...first.data, amount: { amount: 99, currency: 'CNY' } } };
  t.equal(await payments.accept(other), 'refund_due', 'the same payment and order with another amount');
  const rows = await readPayments(pool);
  t.equal(rows.length, 21, 'a contradiction is a row of its own');
  t.match(
    rows.filter(({ result }) => result === 'refund_due'),
    [{ reason: 'wrong_amount', amount: 99 }],
  );
});

await test('an order is paid by one of many payments', async (t) => {
  const { pool } = await createDatabase(t, { connections: 20 });
  const saleId = await storeSale(pool, { orange: 100 });
  const [order] = await storeOrders(pool, saleId, [{}]);
  const { payments } = buildEnds(pool);
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      payments.accept(makeNotice(order?.reservationId ?? '', { paymentId: `p-${index}` })),
    ),
  );
  t.equal(results.filter((result) => result === 'paid').length, 1);
  t.equal(results.filter((result) => result === 'refund_due').length, 19);
  t.equal((await readVerdicts(pool)).get(order?.reservationId ?? '')?.length, 1);
});

await test('notices before their orders are recorded, and applied with the orders', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 5 });
  const values = Array.from({ length: 6 }, () => makeReservation(saleId));
  const ids = values.map(({ reservationId }) => reservationId);
  const [right = '', wrong = '', twice = '', shared = '', sharing = '', refused = ''] = ids;
  const { payments } = buildEnds(pool);
  const early = [
    makeNotice(right),
    makeNotice(right),
    makeNotice(wrong, { amount: { amount: 1, currency: 'CNY' } }),
    makeNotice(twice, { paymentId: 'first' }),
    makeNotice(twice, { paymentId: 'second' }),
    makeNotice(shared, { paymentId: 'shared' }),
    makeNotice(sharing, { paymentId: 'shared' }),
    makeNotice(refused),
  ];
  for (const notice of early) t.equal(await payments.accept(notice), 'recorded');
  const { intake, metrics } = buildIntake(pool);
  await intake.handleBatch(toBatch(values), makeContext().context);
  t.same(
    (await readOrders(pool)).map(({ status }) => status),
    ['paid', 'pending', 'paid', 'paid', 'paid', 'refused'],
    'one payment pays two orders, also when it came before both',
  );
  t.match(
    (await readPayments(pool)).map(({ paymentId, result, reason, notices }) => [
      paymentId,
      result,
      reason,
      notices,
    ]),
    [
      [`pay-${right}`, 'paid', null, 2],
      [`pay-${wrong}`, 'refund_due', 'wrong_amount', 1],
      ['first', 'paid', null, 1],
      ['second', 'refund_due', 'second_payment', 1],
      ['shared', 'paid', null, 1],
      ['shared', 'paid', null, 1],
      [`pay-${refused}`, 'refund_due', 'order_ended', 1],
    ],
  );
  t.same(
    [...(await readVerdicts(pool)).values()].flat().sort(),
    ['paid', 'paid', 'paid', 'paid', 'refused'],
    'with their settlements',
  );
  t.equal(await countOf(metrics.refundsDue, 'wrong_amount'), 1);
  t.equal(await countOf(metrics.ordersEnded, 'paid'), 4);
  t.equal(await payments.accept(makeNotice(right)), 'already_paid', 'a repeat after it was applied');
  t.same(await findLedgerMismatches(pool), []);
});

await test('an early payment beats expiry even when the hold has long ended', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 5 });
  const value = makeReservation(saleId, { expiresAt: 1_000 });
  const { payments } = buildEnds(pool);
  t.equal(await payments.accept(makeNotice(value.reservationId)), 'recorded');
  await buildIntake(pool).intake.handleBatch(toBatch([value]), makeContext().context);
  t.match(await readOrders(pool), [{ status: 'paid' }], 'there was no moment for expiry');
});

await test('a notice that comes between insert and commit of its order waits, and pays', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 5 });
  const value = makeReservation(saleId);
  const { payments } = buildEnds(pool);
  const blocker = await pool.connect();
  // The intake stops behind the ledger's row. The intake has inserted the order, and has not yet looked for
  // its notices.
  await blocker.query('BEGIN');
  await blocker.query('SELECT FROM ledger FOR UPDATE');
  const handled = buildIntake(pool).intake.handleBatch(toBatch([value]), makeContext().context);
  const waiting = async (event: string) => {
    const { rows } = await pool.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = $1`,
      [event],
    );
    return (rows[0]?.count ?? 0) > 0;
  };
  await until('the intake at the ledger', () => waiting('transactionid'));
  const answered = payments.accept(makeNotice(value.reservationId));
  await until('the notice before the lock', () => waiting('advisory'));
  t.same(await readPayments(pool), [], 'nothing is recorded beside the order');
  await blocker.query('COMMIT');
  blocker.release();
  await handled;
  t.equal(await answered, 'paid', 'not recorded, where nobody would look for it any more');
});

await test('a notice waits for the intake past its own look for notices, too', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 5 });
  const value = makeReservation(saleId);
  const { payments } = buildEnds(pool);
  let answered: Promise<string> = Promise.resolve('');
  await storeOrders(pool, saleId, [{}]);
  const { rows } = await pool.query<{ id: string }>('SELECT id FROM orders');
  // These are the steps of the intake: share the lock, insert, look, and only then commit.
  await transaction(pool, async (client) => {
    await takeIntakeLocks(client, false);
    await client.query(
      `INSERT INTO orders SELECT (jsonb_populate_record(orders, jsonb_build_object('id', $2::text, 'sequence', 99,
         'idempotency_key', 'other'))).* FROM orders WHERE id = $1`,
      [rows[0]?.id, value.reservationId],
    );
    t.same(await applyEarlyNotices(client, [value.reservationId]), []);
    answered = payments.accept(makeNotice(value.reservationId));
    await until('the notice before the lock', async () => {
      const found = await pool.query(`SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event = 'advisory'`);
      return found.rowCount === 1;
    });
  });
  t.equal(await answered, 'paid');
  t.match(await readPayments(pool), [{ result: 'paid' }]);
});

await test('a notice gives up behind an intake that hangs, and the provider is told to repeat', async (t) => {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url);
  const saleId = await storeSale(pool, { orange: 5 });
  const value = makeReservation(saleId);
  const body = makeNotice(value.reservationId);
  await transaction(pool, async (client) => {
    await takeIntakeLocks(client, false);
    const startedAt = performance.now();
    const answer = await call('POST', '/v1/payments/notifications', { body });
    t.match(answer, { status: 503, body: { code: 'outcome_unknown', retryable: true } });
    t.ok(performance.now() - startedAt < 4_000, 'within its own bound');
  });
  t.same(await call('POST', '/v1/payments/notifications', { body }), {
    status: 200,
    body: { result: 'recorded' },
  });
});

await test('a crowd that pays while its orders arrive: everyone is paid, nothing stays recorded', async (t) => {
  const { pool, url } = await createDatabase(t);
  const ofIntake = createPool(url, silent, { max: 4 });
  t.teardown(() => ofIntake.end());
  const saleId = await storeSale(pool, { orange: 2_000 });
  const values = Array.from({ length: 2_000 }, () => makeReservation(saleId));
  const { payments } = buildEnds(pool);
  const startedAt = performance.now();
  const results: string[] = [];
  const rest = values.map(({ reservationId }) => makeNotice(reservationId));
  // So many pay at once as the gateway has connections.
  const paying = Array.from({ length: 32 }, async () => {
    for (let notice = rest.pop(); notice !== undefined; notice = rest.pop()) {
      results.push(await payments.accept(notice));
    }
  });
  const partitions = Array.from({ length: 4 }, async (_, partition) => {
    const { intake } = buildIntake(ofIntake, { batchCountMax: 100 });
    const share = values.filter((_value, index) => index % 4 === partition);
    await intake.handleBatch(toBatch(share, { partition }), makeContext().context);
  });
  await Promise.all([...paying, ...partitions]);
  const tally = (result: string) => results.filter((one) => one === result).length;
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(2);
  t.comment(`${tally('recorded')} recorded before their orders, ${tally('paid')} after, in ${seconds} s`);
  t.equal(tally('paid') + tally('recorded'), 2_000);
  t.ok(tally('recorded') > 0, 'some were early');
  const statuses = (await readOrders(pool)).map(({ status }) => status);
  t.equal(statuses.filter((status) => status === 'paid').length, 2_000);
  t.ok((await readPayments(pool)).every(({ result }) => result === 'paid'));
  t.ok([...(await readVerdicts(pool)).values()].every((verdicts) => verdicts.join() === 'paid'));
});

await test('money for what was never one of our orders is due for refund at once', async (t) => {
  const { pool } = await createDatabase(t);
  const { call, metrics } = await createService(t, pool, (await createStock(t)).url);
  const pay = (body: unknown) => call('POST', '/v1/payments/notifications', { body });
  for (let repeat = 0; repeat < 2; repeat += 1) {
    t.same(await pay(makeNotice('invoice-17')), { status: 200, body: { result: 'refund_due' } });
  }
  t.match(await readPayments(pool), [{ reason: 'unknown_order', notices: 2 }]);
  t.equal(await countOf(metrics.refundsDue, 'unknown_order'), 1);
  t.equal((await readPayments(pool)).length, 1);
});
