// Goal: a failed group purchase ends every order of it once, whoever pays, returns or dies meanwhile (D81).
// Method: the real worker on a real Postgres; orders stored by the real intake, paid by real notices. What
// Redis says of the lane is told by the test. Then random histories with several workers, whose steps fail.
import { campaign, countOf, seededRandom } from '@seckill/testing';
import { test } from 'tap';
import type { GroupStore } from '../../src/groups/group-store.ts';
import { Refunds } from '../../src/payments/refunds.ts';
import { untilBlocked } from '../support/database.ts';
import { buildGroupSale, channel, readGroups, readRows, SIGNAL } from '../support/groups.ts';
import { findLedgerMismatches, readPayments, readVerdicts } from '../support/reservations.ts';

await test('missed by one, it fails at once: what is pending expires, and what is paid is due for refund', async (t) => {
  const sale = await buildGroupSale(t, { groupMinimum: 5 }, [{ units: 2 }, { units: 2 }]);
  const { pool, ids, pass, metrics } = sale;
  const [paid = '', pending = ''] = ids;
  await sale.pay(paid, 2);
  await pass();
  t.match(await readGroups(pool), [{ state: 'waiting' }], 'the sale is open');
  t.match(await sale.read(pending), { group: 'waiting' });
  await sale.close();
  sale.lane.gate = 'rebuilding';
  await pass();
  t.match(await readGroups(pool), [{ state: 'waiting' }], 'nobody knows what the lane promised');
  sale.lane.gate = 'open';
  sale.lane.sequence = 3;
  await pass();
  t.match(await readGroups(pool), [{ state: 'waiting' }], 'an order is on its way');
  await pool.query(
    `INSERT INTO retakes (sale_id, lane, epoch, sequence, order_id, verdict) VALUES ($1, 0, 1, 4, $2, 'expired')`,
    [sale.saleId, pending],
  );
  await pass();
  t.match(await readGroups(pool), [{ state: 'waiting' }], 'a later retake does not stand in for it');
  await pool.query('DELETE FROM retakes');
  sale.lane.sequence = 2;
  sale.lane.epoch = 2;
  await pass();
  t.match(await readGroups(pool), [{ state: 'waiting' }], 'another epoch');
  sale.lane.epoch = 1;
  await pass();
  await sale.passUntilEnded();
  t.same(await readGroups(pool), [{ channelId: '', state: 'failed', units: 4, isEnded: true }]);
  t.match(await readRows(pool), [
    { id: paid, status: 'paid', back: 2 },
    { id: pending, status: 'expired', back: 0 },
  ]);
  t.match(await sale.read(paid), {
    status: 'paid',
    group: 'failed',
    refundDue: { amount: 200 },
    returned: [{ sku: 'orange', quantity: 2, restocked: true }],
  });
  t.match(await sale.read(pending), { status: 'expired', group: 'failed' });
  t.match(await sale.refunds(), {
    data: [{ orderId: paid, reason: 'group_failed', amount: { amount: 200 } }],
  });
  t.same(await findLedgerMismatches(pool), []);
  t.same((await readVerdicts(pool)).get(pending), ['expired']);
  t.equal(await countOf(metrics.refundsDue, 'group_failed'), 1);
  t.equal(await countOf(metrics.groupsDecided, 'failed'), 1);
  t.ok(sale.seen.wakes > 0, 'the relay is told');

  t.equal(await sale.pay(pending, 2), 'refund_due', 'late money');
  t.match(await readPayments(pool), [{ result: 'paid' }, { result: 'refund_due', reason: 'order_ended' }]);
  t.equal(await sale.pay(paid, 2), 'already_paid', 'the notice comes twice');
  const [refund] = (await sale.refunds()).data;
  t.match(await new Refunds(pool).done(refund?.id ?? '', 're_1'), { state: 'done', reason: 'group_failed' });
});

await test('who pays while the group fails is found, and late money finds no hold', async (t) => {
  const sale = await buildGroupSale(t, { groupMinimum: 9, lateMoney: 'retake' }, [{}, {}, {}]);
  const { pool, ids } = sale;
  const [slowOne = '', waiting = '', quick = ''] = ids;
  await sale.expire([waiting]);
  await sale.close();
  // A payment has read the group as waiting, and is stored after the decision.
  const slow = await pool.connect();
  await slow.query('BEGIN');
  await slow.query('SELECT FROM orders WHERE id = $1 FOR UPDATE', [slowOne]);
  // The payment's transaction has a number from before the decision.
  await slow.query('SELECT pg_current_xact_id()');
  const passing = sale.pass();
  await untilBlocked(pool);
  t.match(await readGroups(pool), [{ state: 'failed' }]);
  await slow.query(
    `INSERT INTO payments (payment_id, order_id, amount, currency, provider_timestamp, result)
     VALUES ('slow', $1, 100, 'CNY', 't', 'paid')`,
    [slowOne],
  );
  await slow.query(`UPDATE orders SET status = 'paid', paid_at = now() WHERE id = $1`, [slowOne]);
  // Another had asked Redis for the units of its expired order.
  await slow.query(
    `INSERT INTO payments (payment_id, order_id, amount, currency, provider_timestamp, result)
     VALUES ('late', $1, 100, 'CNY', 't', 'retaking')`,
    [waiting],
  );
  await slow.query('COMMIT');
  slow.release();
  await passing;
  await sale.passUntilEnded();
  t.match(await readGroups(pool), [{ state: 'failed', isEnded: true }]);
  t.match(await readRows(pool), [
    { id: slowOne, status: 'paid', back: 1 },
    { id: waiting, status: 'expired', back: 0 },
    { id: quick, status: 'expired' },
  ]);
  t.match(await readPayments(pool), [
    { paymentId: 'late', result: 'refund_due', reason: 'order_ended' },
    { paymentId: 'slow', result: 'paid' },
  ]);
  t.equal(await sale.pay(waiting), 'refund_due', 'nothing is taken again');
  t.same(await findLedgerMismatches(pool), []);
});

await test('what was handed out all the same stays sold when its group fails', async (t) => {
  const sale = await buildGroupSale(t, { groupMinimum: 9 }, [{}, {}]);
  const { pool, ids } = sale;
  const [gone = '', here = ''] = ids;
  for (const id of ids) await sale.pay(id);
  // As an order service of before did, which asked for no group.
  await pool.query('UPDATE orders SET picked_up_at = now() WHERE id = $1', [gone]);
  await sale.close();
  await sale.passUntilEnded();
  t.match(await readGroups(pool), [{ state: 'failed', units: 2, isEnded: true }]);
  t.match(await readRows(pool), [
    { id: gone, status: 'paid', back: 0 },
    { id: here, status: 'paid', back: 1 },
  ]);
  t.same(
    (await sale.refunds()).data.map(({ orderId }) => orderId),
    [here],
  );
  const { rows } = await pool.query('SELECT sold::int FROM ledger');
  t.same(rows, [{ sold: 1 }], 'the unit that left is not for sale again');
  t.same(await findLedgerMismatches(pool), []);
});

await test('a return of a kit that is stored while the group fails is not paid back twice', async (t) => {
  const sale = await buildGroupSale(t, { groupMinimum: 10 }, [{ units: 4 }]);
  const { pool, pass } = sale;
  const [orderId = ''] = sale.ids;
  await sale.pay(orderId, 4);
  const bought = JSON.stringify([{ sku: 'basket', quantity: 2, price: 200 }]);
  await pool.query('UPDATE orders SET bought = $1', [bought]);
  await sale.close();
  const operator = await pool.connect();
  await operator.query('BEGIN');
  await operator.query('SELECT FROM orders FOR UPDATE');
  await operator.query(
    `INSERT INTO returns (order_id, number, idempotency_key, lines, restocked, amount, currency, payment_id)
     SELECT $1, 1, 'k', '[{"sku":"basket","quantity":1}]', false, 200, 'CNY', payment_id FROM payments`,
    [orderId],
  );
  await operator.query('UPDATE orders SET returned = $1', [
    JSON.stringify({ number: 1, lines: [{ sku: 'orange', returned: 2, restocked: 0 }] }),
  ]);
  const passing = pass();
  await untilBlocked(pool, 1);
  await operator.query('COMMIT');
  operator.release();
  await passing;
  await sale.passUntilEnded();
  const { rows } = await pool.query('SELECT number, amount::int FROM returns ORDER BY number');
  t.same(rows, [
    { number: 1, amount: 200 },
    { number: 2, amount: 200 },
  ]);
});

await test('random sales, workers that die at each step, and payments at any time', async (t) => {
  const seed = Number(process.env['SECKILL_SEED'] ?? Math.floor(Math.random() * 1e9));
  t.comment(`SECKILL_SEED=${seed}`);
  const random = seededRandom(seed);
  const pick = (max: number) => Math.floor(random() * max);
  for (let round = 0; round < campaign({ short: 6, full: 20 }); round += 1) {
    const count = 20 + pick(60);
    const orders = Array.from({ length: count }, () => ({
      units: 1 + pick(3),
      ...(random() < 0.5 ? { channelId: random() < 0.5 ? 'li' : 'feed' } : {}),
    }));
    const groupMinimum = 1 + pick(count * 2);
    const channels = [channel('li', 1 + pick(count)), channel('feed')];
    const sale = await buildGroupSale(t, { groupMinimum, channels }, orders);
    const { pool, ids } = sale;
    await sale.close();
    const dying = (store: GroupStore): GroupStore => ({
      ...store,
      decide: (saleId, lane) => die(store.decide(saleId, lane)),
      endOrders: (group, after, _countMax) => die(store.endOrders(group, after, 1 + pick(7))),
      finish: (group) => die(store.finish(group)),
    });
    /** Whether or not the transaction was committed. */
    const die = async <Result>(work: Promise<Result>): Promise<Result> => {
      const result = await work;
      if (random() < 0.3) throw new Error('killed');
      return result;
    };
    const workers = Array.from({ length: 30 }, () => sale.makeWorker(dying));
    const events = ids.map(async (id, index) => {
      const { units = 1 } = orders[index] ?? {};
      const fate = random();
      await new Promise((resolve) => setTimeout(resolve, pick(80)));
      if (fate < 0.6) await sale.pay(id, units);
      else if (fate < 0.8) await sale.cancel(id).catch(() => undefined);
      else await sale.expire([id]);
      if (fate < 0.1) await sale.pay(id, units);
    });
    for (const worker of workers) await worker.pass(SIGNAL).catch(() => undefined);
    await Promise.all(events);
    const last = sale.makeWorker();
    await last.pass(SIGNAL);
    await sale.passUntilEnded();
    const groups = await readGroups(pool);
    t.notOk(
      groups.some(({ state }) => state === 'waiting'),
      'all are decided',
    );
    t.notOk(
      groups.some(({ state, isEnded }) => state === 'failed' && !isEnded),
      'the failed ones have ended',
    );
    const stateOf = new Map(groups.map(({ channelId, state }) => [channelId, state]));
    const rows = await readRows(pool);
    const due = new Map((await sale.refunds()).data.map(({ orderId, amount }) => [orderId, amount.amount]));
    for (const [index, { id, status, back }] of rows.entries()) {
      const { units = 1, channelId } = orders[index] ?? {};
      const state = stateOf.get(channelId === 'li' ? 'li' : '');
      t.not(status, 'pending');
      t.equal(back, state === 'failed' && status === 'paid' ? units : 0, `${state} ${status}`);
      if (status === 'paid') t.equal(due.get(id) ?? 0, state === 'failed' ? 100 * units : 0);
    }
    for (const { channelId, state, units } of groups) {
      const minimum = channelId === '' ? groupMinimum : (channels[0]?.groupMinimum ?? 0);
      t.equal(state, Number(units) >= minimum ? 'reached' : 'failed');
    }
    t.same(await findLedgerMismatches(pool), []);
    for (const [id, verdicts] of await readVerdicts(pool)) {
      const ends = verdicts.filter((verdict, place) => verdicts.indexOf(verdict) === place);
      t.equal(ends.length, 1, `${id}: one end`);
    }
  }
});
