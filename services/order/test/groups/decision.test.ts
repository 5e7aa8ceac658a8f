// Goal: a group purchase is decided once, from what is stored, when its sale has closed and nothing is on its
// way any more (D81).
// Method: the real worker on a real Postgres; orders stored by the real intake, paid by real notices. What
// Redis says of the lane is told by the test.
import { UpstreamError, type Logger } from '@seckill/runtime';
import { countOf, silent, valuesOf } from '@seckill/testing';
import { test } from 'tap';
import { createGroupStore } from '../../src/groups/group-store.ts';
import { Groups } from '../../src/groups/groups.ts';
import { createLateMoneyStore } from '../../src/late-money/late-money-store.ts';
import { storeReturn } from '../../src/orders/returns.ts';
import { patchDefinition } from '../../src/sales/sale-patch.ts';
import { storeEdit } from '../../src/sales/edit-store.ts';
import { StockError } from '../../src/stock-client.ts';
import { buildIntake, makeContext } from '../support/build.ts';
import { untilBlocked } from '../support/database.ts';
import { buildGroupSale, channel, readGroups, readRows, SIGNAL } from '../support/groups.ts';
import { findLedgerMismatches, readPayments, toBatch } from '../support/reservations.ts';

await test('met exactly, it waits for the last hold and is reached; what happens later changes nothing', async (t) => {
  const sale = await buildGroupSale(t, { groupMinimum: 5 }, [{ units: 3 }, { units: 2 }, { units: 1 }]);
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
  const sale = await buildGroupSale(t, { groupMinimum: 2 }, [{}, {}]);
  const [paid = '', pending = ''] = sale.ids;
  await sale.pay(paid);
  await sale.close();
  await sale.pass();
  t.match(await readGroups(sale.pool), [{ state: 'waiting' }]);
  await sale.expire([pending]);
  await sale.pass();
  t.match(await readGroups(sale.pool), [{ state: 'failed', units: 1 }]);

  const other = await buildGroupSale(t, { groupMinimum: 2 }, [{ units: 2 }]);
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
  const sale = await buildGroupSale(t, { groupMinimum: 3, channels }, orders);
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

  const plain = await buildGroupSale(t, { channels: [channel('li', 1), channel('feed')] }, [
    { channelId: 'feed' },
  ]);
  t.notOk('group' in (await plain.read(plain.ids[0] ?? '')), 'of no group');
  await plain.close();
  await plain.pass();
  t.match(await readGroups(plain.pool), [{ channelId: 'li', state: 'failed', units: 0 }]);
  t.match(await readRows(plain.pool), [{ status: 'pending' }]);
});

await test('a change of the end moves the judgement, also one that is stored while the sale closes', async (t) => {
  const opensAt = '2026-01-01T00:00:00.000Z';
  const soon = new Date(Date.now() + 400).toISOString();
  const sale = await buildGroupSale(t, { groupMinimum: 5, opensAt, closesAt: soon }, [{}]);
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

await test('late money that Redis is asked for is waited for', async (t) => {
  const sale = await buildGroupSale(t, { groupMinimum: 2, lateMoney: 'retake' }, [{}, {}]);
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
  const sale = await buildGroupSale(t, { groupMinimum: 2 }, [{}]);
  const [id = ''] = sale.ids;
  await sale.pool.query(
    `UPDATE sale_groups SET state = 'failed', decided_at = now(), decided_in = pg_current_xact_id()`,
  );
  await t.rejects(sale.sandbox(id), { code: 'order_not_pending' });
  t.same(await readPayments(sale.pool), []);

  const other = await buildGroupSale(t, { groupMinimum: 2 }, [{}]);
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

await test('gauges tell of groups that wait after their close, and for how long without a hold', async (t) => {
  const sale = await buildGroupSale(t, { groupMinimum: 1, channels: [channel('li', 1)] }, [{}]);
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
