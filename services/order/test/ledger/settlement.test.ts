// Goal: INV-5 in Postgres: of pay, cancel and expire exactly one ends an order; its units come back exactly
// once or never, and Redis is told exactly once.
// Method: the real ways of a payment, a buyer and expiry, fired at the same orders over many connections;
// then each interleaving on its own, with transactions held open.
import { HEADERS, type ReservationSettled } from '@seckill/contracts';
import { classifyPostgresError, createPool, transaction, type Pool } from '@seckill/runtime';
import { test, type Test } from 'tap';
import { expireOrders } from '../../src/ledger/settlement.ts';
import { createDatabase } from '../support/database.ts';
import { buildEnds, buildIntake, makeContext, until } from '../support/build.ts';
import {
  findLedgerMismatches,
  makeNotice,
  makeReservation,
  readOrders,
  readPayments,
  readSold,
  readVerdicts,
  storeOrders,
  storeSale,
  toBatch,
  toMessage,
} from '../support/reservations.ts';
import { campaign, countOf, silent } from '@seckill/testing';
import { createService } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

const ORDERS = campaign({ short: 600, full: 3_000 });
/**
 * So many orders at once, each of which is paid, cancelled and expired at the same time. All of them wait for
 * the same two rows of the ledger. With 24 the last in the row waited for 5 s on a slow disk, and PostgreSQL
 * ended its statement.
 */
const IN_FLIGHT = 8;

const expire = (pool: Pool, countMax = 500) =>
  transaction(pool, (client) => expireOrders(client, { graceMs: 0, countMax }));
const tallyOf = (values: string[]) =>
  Object.fromEntries(
    [...new Set(values)].map((one) => [one, values.filter((value) => value === one).length]),
  );

/** What became of an order, whatever was asked of it. */
async function outcomeOf(work: Promise<unknown>): Promise<string> {
  try {
    const result = await work;
    return typeof result === 'string' ? result : 'done';
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code);
    throw error;
  }
}

await test(`pay, cancel and expire fired at ${ORDERS} orders: one wins each`, async (t) => {
  const { pool, url } = await createDatabase(t, { connections: 2 * IN_FLIGHT });
  const ofExpiry = createPool(url, silent, { max: 3 });
  t.teardown(() => ofExpiry.end());
  const saleId = await storeSale(pool, { orange: ORDERS, mango: ORDERS });
  const lines = [
    { sku: 'mango', quantity: 1, price: 40 },
    { sku: 'orange', quantity: 1, price: 60 },
  ];
  const values = await storeOrders(pool, saleId, Array<object>(ORDERS).fill({ lines, expiresAt: 9e12 }));
  const { payments, orders } = buildEnds(pool);
  const stop = new AbortController();
  const expiries = Array.from({ length: 3 }, async () => {
    while (!stop.signal.aborted) {
      await expire(ofExpiry, 5).catch((error: unknown) => {
        // A wait that PostgreSQL ended undid the whole batch, and the role begins its round again.
        if (classifyPostgresError(error) !== 'transient') throw error;
      });
    }
  });
  const answers = new Map<string, { pay: string; cancel: string }>();
  const rest = [...values.entries()];
  const racers = Array.from({ length: IN_FLIGHT }, async () => {
    for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
      const [index, { reservationId, userId }] = next;
      // The holds end at about the time at which the other calls come, so that sometimes expiry is first and
      // sometimes a call.
      await pool.query(
        `UPDATE orders SET expires_at = clock_timestamp() + make_interval(secs => $2) WHERE id = $1`,
        [reservationId, ((index * 7) % 10) / 1_000],
      );
      const ways = [
        () => outcomeOf(payments.accept(makeNotice(reservationId))),
        () => outcomeOf(orders.cancel(reservationId, userId)),
      ];
      if (index % 2 === 0) ways.reverse();
      const racing = ways.map((way) => way());
      const [first = '', second = ''] = await Promise.all(racing);
      const [pay, cancel] = index % 2 === 0 ? [second, first] : [first, second];
      answers.set(reservationId, { pay, cancel });
    }
  });
  await Promise.all(racers);
  await until('the last expiry', async () => {
    const { rowCount } = await pool.query(`SELECT FROM orders WHERE status = 'pending'`);
    return rowCount === 0;
  });
  stop.abort();
  await Promise.all(expiries);

  const stored = await readOrders(pool);
  const verdicts = await readVerdicts(pool);
  const wrong = stored.flatMap(({ id, status }) => {
    const { pay, cancel } = answers.get(id) ?? { pay: '', cancel: '' };
    const expected = {
      pay: status === 'paid' ? 'paid' : 'refund_due',
      cancel: status === 'cancelled' ? 'done' : 'order_not_pending',
    };
    const told = verdicts.get(id) ?? [];
    const isRight = pay === expected.pay && cancel === expected.cancel && told.join() === status;
    return isRight ? [] : [{ id, status, pay, cancel, told }];
  });
  const tally = tallyOf(stored.map(({ status }) => status));
  t.comment(`of ${ORDERS}: ${JSON.stringify(tally)}`);
  t.same(wrong, [], 'every racer heard the truth, and every settlement is written once');
  for (const verdict of ['paid', 'cancelled', 'expired']) {
    t.ok((tally[verdict] ?? 0) > ORDERS / 100, `${verdict} won often enough to prove something`);
  }
  t.same(await findLedgerMismatches(pool), [], 'units came back exactly once or never');
  t.equal(await readSold(pool, saleId, 'mango'), tally['paid']);
  t.equal(
    (await readPayments(pool)).filter(({ result }) => result === 'paid').length,
    tally['paid'],
    'an order is paid by its payment',
  );
});

/** So many backends of this database wait for a row. */
async function waitForRow(pool: Pool, count: number): Promise<void> {
  await until(`${count} that wait for the row`, async () => {
    const { rowCount } = await pool.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return rowCount === count;
  });
}

type Way = 'pay' | 'cancel' | 'expire';
const WAYS: Way[][] = [
  ['pay', 'cancel', 'expire'],
  ['pay', 'expire', 'cancel'],
  ['cancel', 'pay', 'expire'],
  ['cancel', 'expire', 'pay'],
  ['expire', 'pay', 'cancel'],
  ['expire', 'cancel', 'pay'],
];
const STATUS = { pay: 'paid', cancel: 'cancelled', expire: 'expired' } as const;

async function findOrder(t: Test, pool: Pool) {
  const saleId = await storeSale(pool, { orange: 10 });
  const [order] = await storeOrders(pool, saleId, [{ expiresAt: 1_000 }]);
  t.ok(order);
  return { id: order?.reservationId ?? '', userId: order?.userId ?? '', saleId };
}

await test('whichever two ends wait for the same row, the first one decides', async (t) => {
  const { pool } = await createDatabase(t);
  const { payments, orders } = buildEnds(pool);
  for (const ways of WAYS) {
    const { id, userId, saleId } = await findOrder(t, pool);
    const run: Record<Way, () => Promise<string>> = {
      pay: () => outcomeOf(payments.accept(makeNotice(id))),
      cancel: () => outcomeOf(orders.cancel(id, userId)),
      expire: async () => String((await expire(pool)).ended),
    };
    // This transaction holds the first end back until the others have begun. Cancel and expire wait for the
    // ledger's row. Paying changes nothing in the ledger, so pay waits for the row of its payment.
    const blocker = await pool.connect();
    await blocker.query('BEGIN');
    await blocker.query('SELECT FROM ledger WHERE sale_id = $1 FOR UPDATE', [saleId]);
    await blocker.query(
      `INSERT INTO payments (payment_id, order_id, amount, currency, result, provider_timestamp)
       VALUES ($1, $2, 100, 'CNY', 'recorded', '')`,
      [`pay-${id}`, id],
    );
    const answers = new Map<Way, Promise<string>>();
    let waiting = 0;
    for (const way of ways) {
      const answer = run[way]();
      answers.set(way, answer);
      // Expiry passes over a row that another transaction has locked.
      if (way === 'expire' && way !== ways[0]) t.equal(await answer, '0', 'expiry does not wait');
      else await waitForRow(pool, (waiting += 1));
    }
    await blocker.query('ROLLBACK');
    blocker.release();
    await Promise.all(answers.values());
    const name = ways.join(', ');
    const [first = 'pay'] = ways;
    const { rows } = await pool.query<{ status: string }>('SELECT status FROM orders WHERE id = $1', [id]);
    t.equal(rows[0]?.status, STATUS[first], name);
    t.equal(await answers.get('pay'), first === 'pay' ? 'paid' : 'refund_due', name);
    t.equal(await answers.get('cancel'), first === 'cancel' ? 'done' : 'order_not_pending', name);
    t.equal((await expire(pool)).ended, 0);
    t.same((await readVerdicts(pool)).get(id), [STATUS[first]]);
    t.equal(await readSold(pool, saleId), first === 'pay' ? 1 : 0);
  }
});

await test('a settlement says what stock needs, and only when the change is committed', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 10, mango: 10 });
  const lines = [
    { sku: 'orange', quantity: 2, price: 60 },
    { sku: 'mango', quantity: 3, price: 40 },
  ];
  const [order] = await storeOrders(pool, saleId, [{ lines, expiresAt: 1_000 }]);
  await t.rejects(
    transaction(pool, async (client) => {
      t.equal((await expireOrders(client, { graceMs: 0, countMax: 10 })).ended, 1);
      throw new Error('killed before the commit');
    }),
  );
  t.equal((await readVerdicts(pool)).size, 0);
  t.match(await readOrders(pool), [{ status: 'pending' }]);
  t.equal((await expire(pool)).ended, 1);
  const { rows } = await pool.query<{ topic: string; key: string; value: string; headers: unknown }>(
    'SELECT topic, key, value, headers FROM outbox',
  );
  t.match(rows, [
    {
      topic: 'seckill.settlements',
      key: order?.reservationId,
      headers: { [HEADERS.type]: 'ReservationSettled', [HEADERS.version]: '1' },
    },
  ]);
  const settled = JSON.parse(rows[0]?.value ?? '{}') as ReservationSettled;
  t.same(settled, { reservationId: order?.reservationId, saleId, lane: 0, lines, verdict: 'expired' });
  t.match(await readOrders(pool), [{ status: 'expired', isEnded: true }]);
  t.same([await readSold(pool, saleId), await readSold(pool, saleId, 'mango')], [0, 0]);
});

await test('a buyer cancels an own pending order, once', async (t) => {
  const { pool } = await createDatabase(t);
  const { call, metrics } = await createService(t, pool, (await createStock(t)).url);
  const saleId = await storeSale(pool, { orange: 10 });
  const values = await storeOrders(pool, saleId, [{ userId: 'u1' }, { userId: 'u1' }, { userId: 'u1' }]);
  const [a = '', b = '', c = ''] = values.map(({ reservationId }) => reservationId);
  const cancel = (id: string, userId = 'u1') => call('POST', `/v1/orders/${id}/cancel`, { userId });
  t.match(await cancel(a, 'stranger'), { status: 404, body: { code: 'order_not_found' } });
  t.match(await cancel(`${a}x`), { status: 404, body: { code: 'order_not_found' } });
  t.match(await cancel('nonsense'), { status: 404, body: { code: 'order_not_found' } });
  t.match(await call('POST', `/v1/orders/${a}/cancel`), { status: 400, body: { field: 'x-user-id' } });
  t.equal(await readSold(pool, saleId), 3, 'nobody else gave anything back');
  const first = await cancel(a);
  t.match(first, { status: 200, body: { id: a, status: 'cancelled', endedAt: /Z$/ } });
  t.same(await cancel(a), first, 'a repeat gets the same answer');
  t.equal(await readSold(pool, saleId), 2);
  t.same((await readVerdicts(pool)).get(a), ['cancelled']);
  t.equal(await countOf(metrics.ordersEnded, 'cancelled'), 1);

  t.equal((await call('POST', `/v1/orders/${b}/pay`, { userId: 'u1' })).status, 200);
  t.match(await cancel(b), { status: 409, body: { code: 'order_not_pending', orderStatus: 'paid' } });
  await pool.query(`UPDATE orders SET expires_at = now() - interval '1 s' WHERE id = $1`, [c]);
  await expire(pool);
  t.match(await cancel(c), { status: 409, body: { code: 'order_not_pending', orderStatus: 'expired' } });
});

await test('in the sandbox a buyer pays without a provider; elsewhere there is no such route', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  const strict = await createService(t, pool, stock.url, { isSandbox: false });
  const saleId = await storeSale(pool, { orange: 10 });
  const values = await storeOrders(pool, saleId, [{ userId: 'u1' }, { userId: 'u1' }]);
  const [a = '', b = ''] = values.map(({ reservationId }) => reservationId);
  const pay = (id: string, userId = 'u1') => call('POST', `/v1/orders/${id}/pay`, { userId });
  t.match(await strict.call('POST', `/v1/orders/${a}/pay`, { userId: 'u1' }), {
    status: 404,
    body: { code: 'not_found' },
  });
  t.match(await pay(a, 'stranger'), { status: 404, body: { code: 'order_not_found' } });
  t.same(await readPayments(pool), []);
  const answers = await Promise.all(Array.from({ length: 10 }, () => pay(a)));
  for (const { status, body } of answers) {
    t.equal(status, 200);
    t.match(body, { status: 'paid', pickupCode: /^\d{6}$/ });
  }
  t.equal(new Set(answers.map(({ body }) => JSON.stringify(body))).size, 1);
  t.match(await readPayments(pool), [{ paymentId: `sandbox-${a}`, result: 'paid', amount: 100 }]);
  t.same((await readVerdicts(pool)).get(a), ['paid']);
  t.equal((await call('POST', `/v1/orders/${b}/cancel`, { userId: 'u1' })).status, 200);
  t.match(await pay(b), { status: 409, body: { code: 'order_not_pending', orderStatus: 'cancelled' } });
  t.equal((await readPayments(pool)).length, 1, 'no money moved');
});

await test('a refused order tells stock to drop its hold, in the transaction that stores it', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 2 });
  const [good] = await storeOrders(pool, saleId, [{}]);
  const clash = makeReservation(saleId, {
    userId: good?.userId ?? '',
    idempotencyKey: good?.idempotencyKey ?? '',
  });
  const fork = makeReservation(saleId, { sequence: good?.sequence ?? 0 });
  const beyond = makeReservation(saleId, { lines: [{ sku: 'orange', quantity: 2, price: 100 }] });
  const { intake, metrics } = buildIntake(pool);
  await intake.handleBatch(toBatch([clash, fork, beyond]), makeContext().context);
  const verdicts = await readVerdicts(pool);
  for (const { reservationId } of [clash, fork, beyond]) t.same(verdicts.get(reservationId), ['refused']);
  t.equal(verdicts.size, 3);
  t.equal(await countOf(metrics.ordersEnded, 'refused'), 3);
  t.equal(await readSold(pool, saleId), 1, 'and nothing comes back that was never sold');
  await intake.handleBatch(toBatch([clash, fork, beyond]), makeContext().context);
  t.same(await readVerdicts(pool), verdicts, 'a duplicate changes nothing');
});

await test('a reservation published again gets the settlement that was lost, if there was one', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 4 });
  const values = await storeOrders(pool, saleId, Array<object>(5).fill({ expiresAt: 9e12 }));
  const [paid, cancelled, expired, pending, refused] = values;
  const { payments, orders } = buildEnds(pool);
  await payments.accept(makeNotice(paid?.reservationId ?? ''));
  await orders.cancel(cancelled?.reservationId ?? '', cancelled?.userId ?? '');
  await pool.query(`UPDATE orders SET expires_at = now() - interval '1 s' WHERE id = $1`, [
    expired?.reservationId,
  ]);
  await expire(pool);
  const fresh = makeReservation(saleId);
  const publish = async (header: Record<string, string>) => {
    await pool.query('DELETE FROM outbox');
    const { intake, metrics } = buildIntake(pool);
    const messages = [...values, fresh].map((value, offset) => {
      const message = toMessage(value, offset);
      return { ...message, headers: { ...message.headers, ...header } };
    });
    await intake.handleBatch({ ...toBatch([]), messages }, makeContext().context);
    const told = await readVerdicts(pool);
    const { values: repeated } = await metrics.settlementsRepeated.get();
    return { told, repeated: repeated[0]?.value };
  };
  const sold = await readSold(pool, saleId);
  const again = await publish({ [HEADERS.republished]: '1' });
  t.same(again.told.get(paid?.reservationId ?? ''), ['paid']);
  t.same(again.told.get(cancelled?.reservationId ?? ''), ['cancelled']);
  t.same(again.told.get(expired?.reservationId ?? ''), ['expired']);
  t.same(again.told.get(refused?.reservationId ?? ''), ['refused']);
  t.notOk(again.told.has(pending?.reservationId ?? ''), 'expiry ends it');
  t.notOk(again.told.has(fresh.reservationId), 'one that was never stored is stored');
  t.equal(again.repeated, 4);
  t.equal(await readSold(pool, saleId), sold + 1, 'the ledger moves for the new one only');
  t.equal((await publish({})).told.size, 0, 'an ordinary duplicate is ignored');
});
