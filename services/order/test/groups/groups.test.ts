// Goal: a group purchase is decided once, from what is stored, when its sale has closed; a failed one ends
// every order of it, whoever dies in the middle or pays meanwhile (D81).
// Method: the real worker on a real Postgres; orders stored by the real intake, paid by real notices. What
// Redis says of the lane is told by the test. Then random histories with several workers, whose steps fail.
import type { OrderStatus, SaleInput } from '@seckill/contracts';
import { createRegistry, transaction, UpstreamError, type Logger, type Pool } from '@seckill/runtime';
import { campaign, countOf, silent, valuesOf } from '@seckill/testing';
import { test, type Test } from 'tap';
import { createGroupStore, type GroupStore } from '../../src/groups/group-store.ts';
import { Groups } from '../../src/groups/groups.ts';
import { createGroupMetrics } from '../../src/groups/metrics.ts';
import { createLateMoneyStore } from '../../src/late-money/late-money-store.ts';
import { expireOrders } from '../../src/ledger/settlement.ts';
import { Refunds } from '../../src/payments/refunds.ts';
import { storeReturn } from '../../src/orders/returns.ts';
import { patchDefinition } from '../../src/sales/sale-patch.ts';
import { storeEdit } from '../../src/sales/edit-store.ts';
import { SaleStore } from '../../src/sales/sale-store.ts';
import { StockError } from '../../src/stock-client.ts';
import { buildEnds, buildIntake, createTestMetrics, makeContext, until } from '../support/build.ts';
import { createDatabase, untilBlocked } from '../support/database.ts';
import {
  findLedgerMismatches,
  makeNotice,
  readPayments,
  readVerdicts,
  storeOrders,
  storeSale,
  toBatch,
} from '../support/reservations.ts';

const FAR = Date.parse('2098-01-01T00:00:00.000Z');
const SIGNAL = new AbortController().signal;
const channel = (id: string, groupMinimum?: number) => ({
  id,
  kind: 'community' as const,
  title: id,
  ...(groupMinimum === undefined ? {} : { groupMinimum }),
});

interface Group {
  channelId: string;
  state: string;
  units: number | null;
  isEnded: boolean;
}

async function readGroups(pool: Pool): Promise<Group[]> {
  const { rows } = await pool.query<Group>(
    `SELECT channel_id AS "channelId", state, units::int AS units, ended_at IS NOT NULL AS "isEnded"
     FROM sale_groups ORDER BY sale_id, channel_id`,
  );
  return rows;
}

interface Row {
  id: string;
  status: OrderStatus;
  back: number;
}

async function readRows(pool: Pool): Promise<Row[]> {
  const { rows } = await pool.query<Row>(
    `SELECT id, status, COALESCE((SELECT sum((line ->> 'returned')::int)
       FROM jsonb_array_elements(returned -> 'lines') AS line), 0)::int AS back
     FROM orders ORDER BY sequence`,
  );
  return rows;
}

/** A sale with orders of these units, by channel, that ends when the test closes it. */
async function build(t: Test, input: Partial<SaleInput>, orders: { units?: number; channelId?: string }[]) {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 1_000 }, input);
  const stored = await storeOrders(
    pool,
    saleId,
    orders.map(({ units = 1, channelId }, index) => ({
      sequence: index + 1,
      expiresAt: FAR,
      lines: [{ sku: 'orange', quantity: units, price: 100 }],
      ...(channelId === undefined ? {} : { channelId }),
    })),
  );
  const ends = buildEnds(pool);
  const metrics = { ...createTestMetrics(), ...createGroupMetrics(createRegistry()) };
  const lane = {
    saleId,
    gate: 'open' as 'open' | 'rebuilding',
    epoch: 1,
    version: 1,
    sequence: orders.length,
    now: FAR,
    state: 'open' as const,
    opensAt: 0,
    closesAt: FAR,
    outbox: 0,
    items: [],
  };
  const seen = { wakes: 0 };
  const makeWorker = (wrap: (store: GroupStore) => GroupStore = (store) => store) =>
    new Groups({
      store: wrap(createGroupStore(pool)),
      stock: { readState: async () => ({ ...lane }) },
      wake: () => {
        seen.wakes += 1;
      },
      clock: { now: () => 0, sleep: async () => undefined },
      logger: silent,
      metrics,
    });
  const worker = makeWorker();
  return {
    pool,
    saleId,
    lane,
    metrics,
    seen,
    stored,
    ids: stored.map(({ reservationId }) => reservationId),
    makeWorker,
    pass: () => worker.pass(SIGNAL),
    /** Transactions of other tests, in other databases, count as well. */
    passUntilEnded: () =>
      until('what failed has ended', async () => {
        await worker.pass(SIGNAL);
        return (await readGroups(pool)).every(({ state, isEnded }) => state !== 'failed' || isEnded);
      }),
    close: () => new SaleStore(pool).change(saleId, 'closed'),
    pay: (id: string, units = 1) =>
      ends.payments.accept(makeNotice(id, { amount: { amount: 100 * units, currency: 'CNY' } })),
    cancel: async (id: string) => {
      const { rows } = await pool.query<{ user_id: string }>('SELECT user_id FROM orders WHERE id = $1', [
        id,
      ]);
      return ends.orders.cancel(id, rows[0]?.user_id ?? '');
    },
    read: async (id: string) => {
      const { rows } = await pool.query<{ user_id: string }>('SELECT user_id FROM orders WHERE id = $1', [
        id,
      ]);
      return ends.orders.read(id, rows[0]?.user_id ?? '');
    },
    sandbox: async (id: string) => {
      const { rows } = await pool.query<{ user_id: string }>('SELECT user_id FROM orders WHERE id = $1', [
        id,
      ]);
      return ends.orders.paySandbox(id, rows[0]?.user_id ?? '');
    },
    /** Holds end as if their time were over. */
    expire: async (ids: string[]) => {
      await pool.query(`UPDATE orders SET expires_at = 'epoch' WHERE id = ANY ($1)`, [ids]);
      await transaction(pool, (client) => expireOrders(client, { graceMs: 0, countMax: 1_000 }));
    },
    refunds: () => new Refunds(pool).list({ state: 'due', saleId, limit: 100 }),
  };
}

await test('missed by one, it fails at once: what is pending expires, and what is paid is due for refund', async (t) => {
  const sale = await build(t, { groupMinimum: 5 }, [{ units: 2 }, { units: 2 }]);
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

await test('met exactly, it waits for the last hold and is reached; what happens later changes nothing', async (t) => {
  const sale = await build(t, { groupMinimum: 5 }, [{ units: 3 }, { units: 2 }, { units: 1 }]);
  const { pool, ids, pass, metrics } = sale;
  const [first = '', second = '', third = ''] = ids;
  await sale.pay(first, 3);
  await sale.close();
  await pass();
  await sale.cancel(third);
  await pass();
  t.match(await readGroups(pool), [{ state: 'waiting' }], 'a hold may still be paid');
  await Promise.all([sale.pay(second, 2), sale.pay(second, 2)]);
  await pass();
  t.same(await readGroups(pool), [{ channelId: '', state: 'reached', units: 5, isEnded: false }]);
  t.equal(await countOf(metrics.groupsDecided, 'reached'), 1);
  const back = { saleId: sale.saleId, orderId: first, restock: true, idempotencyKey: 'k' };
  await storeReturn(pool, { ...back, lines: [{ sku: 'orange', quantity: 3 }] });
  await pass();
  t.match(await readGroups(pool), [{ state: 'reached', units: 5 }], 'decided once');
  t.match(await sale.read(second), { status: 'paid', group: 'reached' });
  t.match(await readRows(pool), [{ back: 3 }, { status: 'paid', back: 0 }, { status: 'cancelled' }]);
});

await test('the last hold expires, and a return before the decision counts', async (t) => {
  const sale = await build(t, { groupMinimum: 2 }, [{}, {}]);
  const [paid = '', pending = ''] = sale.ids;
  await sale.pay(paid);
  await sale.close();
  await sale.pass();
  t.match(await readGroups(sale.pool), [{ state: 'waiting' }]);
  await sale.expire([pending]);
  await sale.pass();
  t.match(await readGroups(sale.pool), [{ state: 'failed', units: 1 }]);

  const other = await build(t, { groupMinimum: 2 }, [{ units: 2 }]);
  const [orderId = ''] = other.ids;
  await other.pay(orderId, 2);
  const back = { saleId: other.saleId, orderId, restock: false, idempotencyKey: 'k' };
  await storeReturn(other.pool, { ...back, lines: [{ sku: 'orange', quantity: 1 }] });
  await other.close();
  await other.pass();
  t.match(await readGroups(other.pool), [{ state: 'failed', units: 1 }]);
  t.match(await other.refunds(), {
    data: [
      { reason: 'returned', amount: { amount: 100 } },
      { reason: 'group_failed', amount: { amount: 100 } },
    ],
  });
  t.same(await findLedgerMismatches(other.pool), [], 'one was written off, one is for sale again');
});

await test('an order belongs to the group of its channel, or else to that of the sale', async (t) => {
  const channels = [channel('li', 2), channel('wang', 2), channel('feed')];
  const orders = ['li', 'wang', 'wang', 'feed', undefined].map((channelId) =>
    channelId === undefined ? {} : { channelId },
  );
  const sale = await build(t, { groupMinimum: 3, channels }, orders);
  await sale.close();
  for (const id of sale.ids) await sale.pay(id);
  await sale.pass();
  t.match(await readGroups(sale.pool), [
    { channelId: '', state: 'failed', units: 2 },
    { channelId: 'li', state: 'failed', units: 1 },
    { channelId: 'wang', state: 'reached', units: 2 },
  ]);
  t.match(
    (await readRows(sale.pool)).map(({ back }) => back),
    [1, 0, 0, 1, 1],
  );
  const groups = await Promise.all(sale.ids.map(async (id) => (await sale.read(id)).group));
  t.same(groups, ['failed', 'reached', 'reached', 'failed', 'failed']);

  const plain = await build(t, { channels: [channel('li', 1), channel('feed')] }, [{ channelId: 'feed' }]);
  t.notOk('group' in (await plain.read(plain.ids[0] ?? '')), 'of no group');
  await plain.close();
  await plain.pass();
  t.match(await readGroups(plain.pool), [{ channelId: 'li', state: 'failed', units: 0 }]);
  t.match(await readRows(plain.pool), [{ status: 'pending' }]);
});

await test('a change of the end moves the judgement, also one that is stored while the sale closes', async (t) => {
  const opensAt = '2026-01-01T00:00:00.000Z';
  const soon = new Date(Date.now() + 400).toISOString();
  const sale = await build(t, { groupMinimum: 5, opensAt, closesAt: soon }, [{}]);
  const { pool, saleId } = sale;
  const closesAt = new Date(Date.now() + 60_000).toISOString();
  const slow = await pool.connect();
  await slow.query('BEGIN');
  await slow.query('SELECT FROM sales WHERE id = $1 FOR NO KEY UPDATE', [saleId]);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const passing = sale.pass();
  await untilBlocked(pool);
  await slow.query(
    `UPDATE sales SET closes_at = $2::text::timestamptz, definition = jsonb_set(definition, '{closesAt}', to_jsonb($2::text))
     WHERE id = $1`,
    [saleId, closesAt],
  );
  await slow.query('COMMIT');
  slow.release();
  await passing;
  t.match(await readGroups(pool), [{ state: 'waiting' }], 'what it waited for was read again');
  const edit = (patch: object) =>
    storeEdit(pool, {
      saleId,
      action: 'change',
      edit: ({ definition }, now) => patchDefinition(definition, patch, now),
    });
  t.equal(await edit({ channels: [channel('new', 7)] }), 'edited');
  t.match(await readGroups(pool), [{ channelId: '' }, { channelId: 'new' }], 'a channel that was added');
  await t.rejects(edit({ channels: [channel('new', 6)] }), { code: 'not_changeable' });
  await t.rejects(edit({ channels: [channel('new')] }), { code: 'not_changeable' });
  t.equal(await edit({ closesAt: new Date(Date.now() + 1_000).toISOString() }), 'edited');
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  await sale.pass();
  t.match(await readGroups(pool), [{ state: 'failed' }, { state: 'failed' }]);
});

await test('who pays while the group fails is found, and late money finds no hold', async (t) => {
  const sale = await build(t, { groupMinimum: 9, lateMoney: 'retake' }, [{}, {}, {}]);
  const { pool, ids } = sale;
  const [slowOne = '', waiting = '', quick = ''] = ids;
  await sale.expire([waiting]);
  await sale.close();
  // A payment has read the group as waiting, and is stored after the decision.
  const slow = await pool.connect();
  await slow.query('BEGIN');
  await slow.query('SELECT FROM orders WHERE id = $1 FOR UPDATE', [slowOne]);
  // Its transaction has a number from before the decision.
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
  const sale = await build(t, { groupMinimum: 9 }, [{}, {}]);
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

await test('gauges tell of groups that wait after their close, and for how long without a hold', async (t) => {
  const sale = await build(t, { groupMinimum: 1, channels: [channel('li', 1)] }, [{}]);
  const { pool, metrics } = sale;
  const seen = async () => {
    await sale.pass();
    const [waiting, overdue] = await Promise.all([
      valuesOf(metrics.groupsWaiting),
      valuesOf(metrics.groupsOverdueSeconds),
    ]);
    return [waiting[''], Math.floor((overdue[''] ?? Number.NaN) / 50) * 50];
  };
  sale.lane.gate = 'rebuilding';
  t.same(await seen(), [0, 0], 'the sale is open');
  await sale.close();
  t.same(await seen(), [2, 0], 'holds of 900 s may last');
  await pool.query(`UPDATE sales SET state_at = now() - interval '1000 seconds'`);
  t.same(await seen(), [2, 100], 'closed by hand');
  await pool.query(
    `UPDATE sales SET state = 'open', opens_at = 'epoch', closes_at = now() - interval '1200 seconds'`,
  );
  t.same(await seen(), [2, 300], 'closed by the clock');
  sale.lane.gate = 'open';
  t.same(await seen(), [1, 300], 'the other group waits for its hold');
  await sale.expire(sale.ids);
  t.same(await seen(), [0, 0]);
});

await test('a return of a kit that is stored while the group fails is not paid back twice', async (t) => {
  const sale = await build(t, { groupMinimum: 10 }, [{ units: 4 }]);
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

await test('late money that Redis is asked for is waited for', async (t) => {
  const sale = await build(t, { groupMinimum: 2, lateMoney: 'retake' }, [{}, {}]);
  const { pool, ids } = sale;
  const [paid = '', late = ''] = ids;
  await sale.pay(paid);
  await sale.expire([late]);
  t.equal(await sale.pay(late), 'recorded');
  await sale.close();
  await sale.pass();
  t.match(await readGroups(pool), [{ state: 'waiting' }]);
  const retaken = { ...sale.stored[1], sequence: 3, isRetake: true };
  await buildIntake(pool).intake.handleBatch(toBatch([retaken], { partition: 1 }), makeContext().context);
  t.match(await readRows(pool), [{ status: 'paid' }, { status: 'paid' }]);
  sale.lane.sequence = 3;
  await sale.pass();
  t.match(await readGroups(pool), [{ state: 'reached', units: 2 }]);
  await createLateMoneyStore(pool).refund([late]);
  t.match(await readPayments(pool), [{ result: 'paid' }, { result: 'paid' }]);
});

await test('a sandbox payment of a failed group is refused, and stock that is away is waited for', async (t) => {
  const sale = await build(t, { groupMinimum: 2 }, [{}]);
  const [id = ''] = sale.ids;
  await sale.pool.query(
    `UPDATE sale_groups SET state = 'failed', decided_at = now(), decided_in = pg_current_xact_id()`,
  );
  await t.rejects(sale.sandbox(id), { code: 'order_not_pending' });
  t.same(await readPayments(sale.pool), []);

  const other = await build(t, { groupMinimum: 2 }, [{}]);
  await other.close();
  let calls = 0;
  let trouble: Error | undefined = new UpstreamError('unreachable', 'stock is away', undefined);
  const told: string[] = [];
  const worker = new Groups({
    store: createGroupStore(other.pool),
    stock: {
      readState: async () => {
        calls += 1;
        if (trouble !== undefined) throw trouble;
        return { ...other.lane, gate: 'rebuilding' };
      },
    },
    wake: () => undefined,
    clock: { now: () => 0, sleep: async () => undefined },
    logger: Object.assign(Object.create(silent) as Logger, {
      warn: ({ err }: { err: Error }) => void told.push(err.message),
    }),
    metrics: other.metrics,
  });
  for (let count = 0; count < 3; count += 1) await worker.pass(SIGNAL);
  t.equal(calls, 2, 'a round that finds stock away ends, and the next one goes on behind the sale');
  t.match(await readGroups(other.pool), [{ state: 'waiting' }]);
  t.same(told, ['stock is away'], 'told once');
  trouble = new StockError(500, 'a question');
  for (let count = 0; count < 3; count += 1) await worker.pass(SIGNAL);
  t.same(told.splice(0), ['stock is away', 'stock answered 500 to a question'], 'and once for another cause');
  trouble = undefined;
  await worker.pass(SIGNAL);
  trouble = new StockError(500, 'a question');
  await worker.pass(SIGNAL);
  t.same(told, ['stock answered 500 to a question'], 'and again after it was over');
});

await test('random sales, workers that die at each step, and payments at any time', async (t) => {
  const seed = Number(process.env['SECKILL_SEED'] ?? Math.floor(Math.random() * 1e9));
  t.comment(`SECKILL_SEED=${seed}`);
  const random = mulberry(seed);
  const pick = (max: number) => Math.floor(random() * max);
  for (let round = 0; round < campaign({ short: 6, full: 60 }); round += 1) {
    const count = 20 + pick(60);
    const orders = Array.from({ length: count }, () => ({
      units: 1 + pick(3),
      ...(random() < 0.5 ? { channelId: random() < 0.5 ? 'li' : 'feed' } : {}),
    }));
    const groupMinimum = 1 + pick(count * 2);
    const channels = [channel('li', 1 + pick(count)), channel('feed')];
    const sale = await build(t, { groupMinimum, channels }, orders);
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

/** Numbers from 0 to below 1, the same for a seed. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
