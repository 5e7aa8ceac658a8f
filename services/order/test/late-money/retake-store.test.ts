// Goal: late money is in an order, waiting, or due for refund, and never two of these; an order is paid once
// and the ledger counts it once, whatever comes twice, late or in another order (INV-1, INV-5, D7).
// Method: the real intake and the real way of a notice on a real Postgres; the messages are what retake.lua
// makes of a hold. A random history ends the file.
import type { ReservationCreated, ReservationSettled } from '@seckill/contracts';
import { HEADERS } from '@seckill/contracts';
import { transaction, type Pool } from '@seckill/runtime';
import { campaign, countOf } from '@seckill/testing';
import fc from 'fast-check';
import { test, type Test } from 'tap';
import { expireOrders } from '../../src/ledger/settlement.ts';
import { createLateMoneyStore } from '../../src/late-money/late-money-store.ts';
import { createDatabase, untilBlocked } from '../support/database.ts';
import { buildEnds, buildIntake, makeContext } from '../support/build.ts';
import {
  findLedgerMismatches,
  makeNotice,
  makeReservation,
  raiseEpoch,
  readOrders,
  readPayments,
  readSold,
  storeOrders,
  storeSale,
  toBatch,
} from '../support/reservations.ts';

const PAST = { reservedAt: 1, expiresAt: 1_000 };

async function expireAll(pool: Pool): Promise<void> {
  await transaction(pool, (client) => expireOrders(client, { graceMs: 0, countMax: 1_000 }));
}

/** What retake.lua makes of the hold of this order. */
function retakeOf(order: ReservationCreated, changes: Partial<ReservationCreated>): ReservationCreated {
  return { ...order, isRetake: true, ...changes };
}

async function readSettled(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ value: string }>('SELECT value FROM outbox ORDER BY id');
  return rows.map(({ value }) => {
    const { verdict, retake = 'first' } = JSON.parse(value) as ReservationSettled;
    return `${retake} ${verdict}`;
  });
}

/** Makes a sale whose late money takes units again, and an expired order of one unit whose money waits. */
async function createLate(t: Test, changes: { total?: number; lateMoney?: 'refund' | 'retake' } = {}) {
  const { total = 1, lateMoney = 'retake' } = changes;
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: total }, { lateMoney });
  const [order] = await storeOrders(pool, saleId, [{ ...PAST, userId: 'u1', sequence: 1 }]);
  if (order === undefined) throw new Error('never happens: one was stored');
  await expireAll(pool);
  const { intake, metrics } = buildIntake(pool);
  let offset = 0;
  const take = async (values: ReservationCreated[], headers: Record<string, string> = {}) => {
    const batch = toBatch(values, { partition: 1, offset });
    for (const message of batch.messages) message.headers = { ...message.headers, ...headers };
    offset += values.length;
    await intake.handleBatch(batch, makeContext().context);
  };
  const statusOf = async (id = order.reservationId) =>
    (await readOrders(pool)).find((row) => row.id === id)?.status;
  return { pool, saleId, order, ends: buildEnds(pool), take, metrics, statusOf };
}

const results = async (pool: Pool) => (await readPayments(pool)).map(({ result }) => result);

await test('late money waits, its retake pays the order, and everything that comes again changes nothing', async (t) => {
  const { pool, saleId, order, ends, take, metrics, statusOf } = await createLate(t);
  const notice = makeNotice(order.reservationId);
  for (let repeat = 0; repeat < 2; repeat += 1) t.equal(await ends.payments.accept(notice), 'recorded');
  t.equal(ends.seen.lateMoneyWakes, 2);
  t.match(await readPayments(pool), [{ result: 'retaking', reason: null, notices: 2 }]);
  t.notMatch(await ends.orders.read(order.reservationId, 'u1'), { refundDue: {} }, 'nothing is due yet');
  const retake = retakeOf(order, { sequence: 2 });
  await take([retake, retake]);
  await take([retake]);
  await take([order]);
  t.match(await ends.orders.read(order.reservationId, 'u1'), {
    status: 'paid',
    paidAt: /Z$/,
    pickupCode: /^\d{6}$/,
    endedAt: undefined,
  });
  t.equal(await readSold(pool, saleId), 1);
  t.same(await readSettled(pool), ['first expired', '1-2 paid']);
  t.equal(await ends.payments.accept(notice), 'already_paid');
  t.equal(await ends.payments.accept(makeNotice(order.reservationId, { paymentId: 'two' })), 'refund_due');
  await take([retake], { [HEADERS.republished]: '1' });
  t.same((await readSettled(pool)).at(-1), '1-2 paid', 'a hold that nobody ended hears it again');
  await take([order], { [HEADERS.republished]: '1' });
  t.equal(await statusOf(), 'paid');
  t.same(await findLedgerMismatches(pool), []);
  t.equal(await countOf(metrics.lateMoney, 'paid'), 1);
  t.equal(await countOf(metrics.ordersEnded, 'paid'), 1);
});

await test('money of another sale, of a cancelled order or of a wrong amount is due at once', async (t) => {
  const other = await createLate(t, { lateMoney: 'refund' });
  t.equal(await other.ends.payments.accept(makeNotice(other.order.reservationId)), 'refund_due');
  const { pool, saleId, ends } = await createLate(t);
  const [cancelled] = await storeOrders(pool, saleId, [{ userId: 'u2', sequence: 7 }]);
  await ends.orders.cancel(cancelled?.reservationId ?? '', 'u2');
  t.equal(await ends.payments.accept(makeNotice(cancelled?.reservationId ?? '')), 'refund_due');
  const [wrong] = await readOrders(pool);
  const amount = { amount: 99, currency: 'CNY' };
  t.equal(await ends.payments.accept(makeNotice(wrong?.id ?? '', { amount })), 'refund_due');
  await pool.query('UPDATE sales SET retired_at = now()');
  t.equal(
    await ends.payments.accept(makeNotice(wrong?.id ?? '')),
    'refund_due',
    'stock has forgotten the sale',
  );
});

await test('of two payments that wait the first pays, and the other is due for refund', async (t) => {
  const { pool, order, ends, take } = await createLate(t);
  for (const paymentId of ['one', 'two']) {
    t.equal(await ends.payments.accept(makeNotice(order.reservationId, { paymentId })), 'recorded');
  }
  await take([retakeOf(order, { sequence: 2 })]);
  t.match(await readPayments(pool), [
    { paymentId: 'one', result: 'paid' },
    { paymentId: 'two', result: 'refund_due', reason: 'second_payment' },
  ]);
});

await test('a retake that nothing pays for gives its units back, and its sequence is no gap', async (t) => {
  const { pool, order, ends, take, statusOf } = await createLate(t);
  await take([retakeOf(order, { sequence: 2 })]);
  t.equal(await statusOf(), 'expired', 'no money came');
  await ends.payments.accept(makeNotice(order.reservationId));
  const store = createLateMoneyStore(pool);
  t.match(await store.list({ countMax: 5, except: [], giveUpSeconds: 300 }), [{ isOver: false }]);
  t.match(await store.list({ countMax: 5, except: [], giveUpSeconds: -1 }), [{ isOver: true }]);
  t.same(await store.list({ countMax: 5, except: [order.reservationId], giveUpSeconds: 300 }), []);
  t.match(await store.refund([order.reservationId]), [{ application: { reason: 'order_ended' } }]);
  t.same(await store.refund([order.reservationId]), [], 'once');
  await take([retakeOf(order, { sequence: 3 })]);
  t.equal(await statusOf(), 'expired', 'the money was given up first');
  await take([retakeOf(makeReservation(order.saleId), { sequence: 4 })]);
  t.same(await readSettled(pool), ['first expired', '1-2 expired', '1-3 expired', '1-4 expired']);
  const { rows } = await pool.query('SELECT sequence::int FROM retakes ORDER BY sequence');
  t.same(rows, [{ sequence: 2 }, { sequence: 3 }, { sequence: 4 }]);
  t.same(await findLedgerMismatches(pool), []);
});

await test('a retake from before the newest snapshot goes back; its money goes on waiting', async (t) => {
  const { pool, saleId, order, ends, take, statusOf } = await createLate(t);
  await ends.payments.accept(makeNotice(order.reservationId));
  await raiseEpoch(pool, saleId, 2);
  await take([retakeOf(order, { sequence: 2 })]);
  t.equal(await statusOf(), 'expired', 'the snapshot has it so');
  t.same(await results(pool), ['retaking']);
  await pool.query('UPDATE ledger SET late_epoch = 2');
  await take([retakeOf(order, { epoch: 2, sequence: 1 })]);
  t.equal(await statusOf(), 'expired', 'Redis does not know all orders of the epoch (INV-6)');
  await raiseEpoch(pool, saleId, 3);
  await take([retakeOf(order, { epoch: 3, sequence: 1 })]);
  t.equal(await statusOf(), 'paid');
  t.same(await readSettled(pool), ['first expired', '1-2 expired', '2-1 expired', '3-1 paid']);
});

await test('units that do not exist are refused, alarmed, and the money is due', async (t) => {
  const { pool, saleId, order, ends, take, metrics, statusOf } = await createLate(t);
  await ends.payments.accept(makeNotice(order.reservationId));
  await storeOrders(pool, saleId, [{ userId: 'u2', sequence: 2 }]);
  await take([retakeOf(order, { sequence: 3 })]);
  t.equal(await statusOf(), 'expired');
  t.same(await results(pool), ['refund_due']);
  t.same((await readSettled(pool)).at(-1), '1-3 refused');
  t.equal(await countOf(metrics.intakeAlarms, 'ledger'), 1);
  t.equal(await countOf(metrics.distrustedEpochs, 'refused'), 1, 'the sale is loaded anew');
  t.same(await findLedgerMismatches(pool), []);
});

await test('a retake or a reservation at a sequence that is taken is a fork', async (t) => {
  const { pool, saleId, order, ends, take, metrics, statusOf } = await createLate(t, { total: 5 });
  await ends.payments.accept(makeNotice(order.reservationId));
  await storeOrders(pool, saleId, [{ userId: 'u2', sequence: 2 }]);
  const fork = retakeOf(order, { sequence: 2 });
  await take([fork]);
  t.equal(await statusOf(), 'expired');
  t.same((await readSettled(pool)).at(-1), '1-2 refused');
  t.equal(await countOf(metrics.intakeAlarms, 'sequence_fork'), 1);
  t.equal(await countOf(metrics.distrustedEpochs, 'refused'), 1);
  await raiseEpoch(pool, saleId, 2);
  await take([fork]);
  t.equal(await countOf(metrics.distrustedEpochs, 'refused'), 1, 'a later epoch has nothing to do with it');
  await take([retakeOf(order, { epoch: 2, sequence: 1 })]);
  t.equal(await statusOf(), 'paid', 'the money had waited');
  const late = makeReservation(saleId, { epoch: 2, sequence: 1, userId: 'u3' });
  await take([late]);
  t.match(await readOrders(pool), [{}, {}, { id: late.reservationId, refusal: 'sequence_fork' }]);
});

for (const first of ['order', 'retake'] as const) {
  await test(`an order and a retake of one sequence that are stored at once see each other: ${first} first`, async (t) => {
    const { pool, saleId, order, ends, statusOf } = await createLate(t, { total: 5 });
    await ends.payments.accept(makeNotice(order.reservationId));
    const other = makeReservation(saleId, { sequence: 2, userId: 'u2' });
    const values = { order: other, retake: retakeOf(order, { sequence: 2 }) };
    const names = first === 'order' ? (['order', 'retake'] as const) : (['retake', 'order'] as const);
    const stores = names.map((name, index) => {
      const { intake, metrics } = buildIntake(pool);
      const batch = toBatch([values[name]], { partition: 5 + index });
      return { metrics, store: () => intake.handleBatch(batch, makeContext().context) };
    });
    const storing: Promise<void>[] = [];
    await transaction(pool, async (client) => {
      // Both have looked for the other one when they wait here.
      await client.query('SELECT FROM ledger FOR UPDATE');
      for (const { store } of stores) {
        storing.push(store());
        await untilBlocked(pool, storing.length);
      }
    });
    await Promise.all(storing);
    const alarms = stores.map(({ metrics }) => countOf(metrics.intakeAlarms, 'sequence_fork'));
    t.same(await Promise.all(alarms), [0, 1], 'the second one tells');
    t.equal(await statusOf(), first === 'order' ? 'expired' : 'paid');
    t.equal(await statusOf(other.reservationId), first === 'order' ? 'pending' : 'refused');
    t.equal(await readSold(pool, saleId), 1);
    t.same(await findLedgerMismatches(pool), []);
  });
}

await test('a retake and a give-up race under the lock of the order: one of them finds the money', async (t) => {
  const { pool, order, ends, take, statusOf } = await createLate(t);
  await ends.payments.accept(makeNotice(order.reservationId));
  const store = createLateMoneyStore(pool);
  let taking: Promise<void> | undefined;
  let refunding: Promise<unknown> | undefined;
  await transaction(pool, async (client) => {
    await client.query('SELECT FROM orders WHERE id = $1 FOR UPDATE', [order.reservationId]);
    refunding = store.refund([order.reservationId]);
    await untilBlocked(pool);
    taking = take([retakeOf(order, { sequence: 2 })]);
    await untilBlocked(pool, 2);
  });
  await Promise.all([taking, refunding]);
  t.equal(await statusOf(), 'expired');
  t.same(await results(pool), ['refund_due']);
  t.same((await readSettled(pool)).at(-1), '1-2 expired', 'the units go back');
});

const step = fc.oneof(
  fc.record({ kind: fc.constant('notice' as const), order: fc.nat(2), payment: fc.nat(1) }),
  fc.record({
    kind: fc.constant('retake' as const),
    order: fc.nat(2),
    epochsOld: fc.constantFrom(0, 0, 0, 1),
  }),
  fc.record({ kind: fc.constant('again' as const), index: fc.nat(9), isRepublished: fc.boolean() }),
  fc.record({ kind: fc.constant('refund' as const), order: fc.nat(2) }),
  fc.record({ kind: fc.constant('rebuild' as const) }),
  fc.record({ kind: fc.constant('batch' as const), indexes: fc.array(fc.nat(9), { maxLength: 4 }) }),
);

await test('random histories: money is never lost, and no unit or order is counted twice', async (t) => {
  const seen = new Set<string>();
  const property = fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 25 }), async (steps) => {
    const { pool, saleId, order, ends, take } = await createLate(t, { total: 2 });
    const more = await storeOrders(pool, saleId, [{ ...PAST, userId: 'u1', sequence: 2 }]);
    await expireAll(pool);
    const orders = [order, ...more];
    const of = (index: number) => orders[index % orders.length] ?? order;
    const sent: ReservationCreated[] = [order];
    let epoch = 1;
    let sequence = 10;
    for (const taken of steps) {
      if (taken.kind === 'notice') {
        const paymentId = `pay-${taken.payment}`;
        await ends.payments.accept(makeNotice(of(taken.order).reservationId, { paymentId }));
      } else if (taken.kind === 'retake') {
        sequence += 1;
        const retake = retakeOf(of(taken.order), { epoch: Math.max(1, epoch - taken.epochsOld), sequence });
        sent.push(retake);
        await take([retake]);
      } else if (taken.kind === 'again') {
        const message = sent[taken.index % sent.length] ?? order;
        await take([message], taken.isRepublished ? { [HEADERS.republished]: '1' } : {});
      } else if (taken.kind === 'refund') {
        await createLateMoneyStore(pool).refund([of(taken.order).reservationId]);
      } else if (taken.kind === 'rebuild') {
        epoch += 1;
        await raiseEpoch(pool, saleId, epoch);
      } else {
        await take(taken.indexes.map((index) => sent[index % sent.length] ?? order));
      }
    }
    t.same(await findLedgerMismatches(pool), [], 'INV-1, INV-3');
    const payments = await readPayments(pool);
    for (const { id, status } of await readOrders(pool)) {
      const own = payments.filter(({ orderId }) => orderId === id);
      const paid = own.filter(({ result }) => result === 'paid').length;
      t.equal(paid, status === 'paid' ? 1 : 0, 'an order is paid by one payment');
      t.ok(status === 'paid' || status === 'expired', status);
      if (status === 'paid')
        t.notOk(
          own.some(({ result }) => result === 'retaking'),
          'nothing waits for it',
        );
      seen.add(status);
      for (const { result } of own) seen.add(result);
    }
    // Each retake has one verdict, and Redis hears no other.
    const { rows } = await pool.query<{ name: string; verdict: string }>(
      `SELECT epoch || '-' || sequence AS name, verdict FROM retakes`,
    );
    const verdicts = new Map(rows.map(({ name, verdict }) => [name, verdict]));
    const retakes = sent.filter(({ isRetake }) => isRetake === true);
    t.equal(verdicts.size, retakes.length, 'no sequence is a gap (INV-2)');
    for (const told of await readSettled(pool)) {
      const [name = '', verdict] = told.split(' ');
      if (name !== 'first') t.equal(verdict, verdicts.get(name), told);
    }
    const paidRetakes = rows.filter(({ verdict }) => verdict === 'paid').length;
    t.equal(paidRetakes, await readSold(pool, saleId), 'INV-5');
  });
  await fc.assert(property, { numRuns: campaign({ short: 12, full: 100 }) });
  t.same([...seen].sort(), ['expired', 'paid', 'refund_due', 'retaking']);
});
