// Goal: an order that costs nothing is paid when it is stored; nobody has to send a payment of 0, and the
// order never expires. Method: the real intake on a real Postgres; the hold's end lies long in the past, so
// that expiry would win any gap.
import { test } from 'tap';
import { transaction } from '@seckill/runtime';
import { countOf } from '@seckill/testing';
import { expireOrders } from '../../src/ledger/settlement.ts';
import { createDatabase } from '../support/database.ts';
import { buildEnds, buildIntake, makeContext } from '../support/build.ts';
import {
  findLedgerMismatches,
  makeNotice,
  makeReservation,
  readOrders,
  readPayments,
  readVerdicts,
  storeSale,
  toBatch,
} from '../support/reservations.ts';

const free = [{ sku: 'orange', quantity: 1, price: 0 }];
const PAST = { reservedAt: 1, expiresAt: 1_000 };

await test('an order whose total is 0 is paid in the transaction that stores it; the total decides', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 10, apple: 10 });
  const values = [
    makeReservation(saleId, { ...PAST, lines: free }),
    makeReservation(saleId, { ...PAST, lines: [...free, { sku: 'apple', quantity: 2, price: 0 }] }),
    makeReservation(saleId, { ...PAST, lines: [...free, { sku: 'apple', quantity: 1, price: 1 }] }),
  ];
  const { intake, metrics } = buildIntake(pool);
  await intake.handleBatch(toBatch(values), makeContext().context);
  await transaction(pool, (client) => expireOrders(client, { graceMs: 0, countMax: 100 }));
  t.match(
    (await readOrders(pool)).map(({ status }) => status),
    ['paid', 'paid', 'expired'],
  );
  const { orders } = buildEnds(pool);
  const [first] = values;
  const order = await orders.read(first?.reservationId ?? '', first?.userId ?? '');
  t.match(order, { status: 'paid', amount: { amount: 0 }, paidAt: /Z$/, pickupCode: /^\d{6}$/ });
  const told = [...(await readVerdicts(pool)).values()].map((verdicts) => verdicts.join());
  t.same(told.sort(), ['expired', 'paid', 'paid'], 'stock is told');
  t.equal(await countOf(metrics.ordersEnded, 'paid'), 2);
  t.same(await findLedgerMismatches(pool), []);
  await intake.handleBatch(toBatch(values, { offset: 3 }), makeContext().context);
  t.equal((await readPayments(pool)).length, 2, 'a message that comes again confirms nothing twice');
});

await test('a free order that is refused stays refused; a notice of 0 is still told apart from one of more', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 2 });
  const values = Array.from({ length: 3 }, () => makeReservation(saleId, { ...PAST, lines: free }));
  const [early = '', late = '', refused = ''] = values.map(({ reservationId }) => reservationId);
  const { payments } = buildEnds(pool);
  const zero = { amount: 0, currency: 'CNY' };
  t.equal(await payments.accept(makeNotice(early, { amount: zero })), 'recorded');
  await buildIntake(pool).intake.handleBatch(toBatch(values), makeContext().context);
  t.match(
    (await readOrders(pool)).map(({ id, status }) => [id, status]),
    [
      [early, 'paid'],
      [late, 'paid'],
      [refused, 'refused'],
    ],
  );
  t.equal(await payments.accept(makeNotice(early, { amount: zero })), 'already_paid', 'by the notice itself');
  t.equal(await payments.accept(makeNotice(late)), 'refund_due', 'money for what was free');
  t.same(
    (await readPayments(pool)).map(({ orderId, result, reason }) => [orderId, result, reason]),
    [
      [early, 'paid', null],
      [late, 'paid', null],
      [late, 'refund_due', 'wrong_amount'],
    ],
  );
});
