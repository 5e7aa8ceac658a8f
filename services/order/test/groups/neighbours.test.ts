// Goal: a failed group is no harm to other sales: not by its size, and not by what is damaged in it.
// Method: the real worker on a real Postgres, without a relay, so that the outbox keeps what was written.
import { transaction, type Gauge, type Pool } from '@seckill/runtime';
import { countOf } from '@seckill/testing';
import { test } from 'tap';
import { SaleStore } from '../../src/sales/sale-store.ts';
import { buildGroupSale, channel, readGroups, readRows, SIGNAL } from '../support/groups.ts';
import { findLedgerMismatches, storeOrders, storeSale } from '../support/reservations.ts';

const FAR = Date.parse('2098-01-01T00:00:00.000Z');
/** Messages that may wait before a failed group adds nothing, and the orders of one step. */
const OUTBOX_MAX = 1_000;
const STEP = 500;

const countOutbox = async (pool: Pool): Promise<number> => {
  const { rows } = await pool.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM outbox WHERE published_at IS NULL',
  );
  return rows[0]?.count ?? NaN;
};

const valueOf = async (gauge: Gauge): Promise<number | undefined> => (await gauge.get()).values[0]?.value;

/** Failed groups that one pass looks at. */
const PASS_MAX = 100;

const stateOf = async (pool: Pool, saleId: string) => {
  const { rows } = await pool.query<{ state: string; isEnded: boolean }>(
    `SELECT state, ended_at IS NOT NULL AS "isEnded" FROM sale_groups WHERE sale_id = $1`,
    [saleId],
  );
  return rows[0];
};

/** As notices would pay them, one by one. */
async function payAll(pool: Pool): Promise<void> {
  await transaction(pool, async (client) => {
    await client.query(
      `INSERT INTO payments (payment_id, order_id, amount, currency, provider_timestamp, result)
       SELECT id, id, amount, currency, 't', 'paid' FROM orders`,
    );
    await client.query(`UPDATE orders SET status = 'paid', paid_at = now()`);
  });
}

await test('a large failed group leaves room in the outbox, goes on when there is, and ends once', async (t) => {
  const count = 2_300;
  const sale = await buildGroupSale(t, { groupMinimum: 9_999 }, []);
  const { pool, saleId } = sale;
  await pool.query('UPDATE ledger SET total = 5000');
  const orders = Array.from({ length: count }, (_, index) => ({ sequence: index + 1, expiresAt: FAR }));
  await storeOrders(pool, saleId, orders);
  await payAll(pool);
  sale.lane.sequence = count;
  await sale.close();
  await sale.pass();
  t.match(await readGroups(pool), [{ state: 'failed' }], 'it was decided');
  const first = await countOutbox(pool);
  t.ok(first >= OUTBOX_MAX && first < OUTBOX_MAX + STEP, `${first} wait`);
  await sale.pass();
  t.equal(await countOutbox(pool), first, 'nothing is added while they do');

  await pool.query('UPDATE outbox SET published_at = now()');
  await sale.pass();
  t.ok((await countOutbox(pool)) >= OUTBOX_MAX, 'it goes on where it was');
  await pool.query('UPDATE outbox SET published_at = now()');
  await sale.passUntilEnded();
  t.equal((await readRows(pool)).filter(({ status, back }) => status === 'paid' && back === 1).length, count);
  t.equal(await countOf(sale.metrics.refundsDue, 'group_failed'), count);
  const { rows } = await pool.query(
    'SELECT count(*)::int AS count, count(DISTINCT key)::int AS keys FROM outbox',
  );
  t.same(rows, [{ count, keys: count }], 'each is told once');
  t.same(await findLedgerMismatches(pool), []);
});

await test('a failed group that is damaged waits for a person, and its neighbour ends', async (t) => {
  const sale = await buildGroupSale(t, { groupMinimum: 9 }, [{}]);
  const { pool, saleId } = sale;
  const neighbour = await storeSale(pool, { orange: 10 }, { groupMinimum: 9 });
  await storeOrders(pool, neighbour, [{ sequence: 1, expiresAt: FAR }]);
  await payAll(pool);
  await pool.query('UPDATE ledger SET sold = 0 WHERE sale_id = $1', [saleId]);
  for (const id of [saleId, neighbour]) await new SaleStore(pool).change(id, 'closed');
  const pass = async () => {
    for (let round = 0; round < 200 && (await stateOf(pool, neighbour))?.isEnded !== true; round += 1) {
      await sale.pass();
    }
  };
  await pass();
  t.same(await stateOf(pool, neighbour), { state: 'failed', isEnded: true });
  t.same(await stateOf(pool, saleId), { state: 'failed', isEnded: false }, 'nothing of it was written');
  t.equal(await valueOf(sale.metrics.groupsDamaged), 1);

  await pool.query('UPDATE ledger SET sold = 1 WHERE sale_id = $1', [saleId]);
  const other = sale.makeWorker();
  for (let round = 0; round < 200 && (await stateOf(pool, saleId))?.isEnded !== true; round += 1) {
    await other.pass(SIGNAL);
  }
  t.same(await stateOf(pool, saleId), { state: 'failed', isEnded: true }, 'a person has mended it');
  t.same(await findLedgerMismatches(pool), []);
});

await test('a sale that cannot be counted stays undecided, and its neighbour is decided', async (t) => {
  const sale = await buildGroupSale(t, { groupMinimum: 9 }, [{}]);
  const { pool, saleId } = sale;
  const neighbour = await storeSale(pool, { orange: 10 }, { groupMinimum: 9 });
  await storeOrders(pool, neighbour, [{ sequence: 1, expiresAt: FAR }]);
  await pool.query(`UPDATE orders SET lines = '"damaged"' WHERE sale_id = $1`, [saleId]);
  for (const id of [saleId, neighbour]) await new SaleStore(pool).change(id, 'closed');
  await sale.pass();
  const { rows } = await pool.query('SELECT sale_id, state FROM sale_groups ORDER BY state');
  t.same(rows, [
    { sale_id: neighbour, state: 'failed' },
    { sale_id: saleId, state: 'waiting' },
  ]);
  t.equal(await valueOf(sale.metrics.groupsDamaged), 1);
});

await test('more damaged groups than one pass looks at hide no group behind them', async (t) => {
  const ids = Array.from({ length: PASS_MAX + 10 }, (_, index) => `group-${index}`);
  const sale = await buildGroupSale(
    t,
    { id: 'a-damaged', channels: ids.map((id) => channel(id, 9)) },
    ids.map((channelId) => ({ channelId })),
  );
  const { pool, saleId } = sale;
  const neighbour = await storeSale(pool, { orange: 10 }, { id: 'b-whole', groupMinimum: 9 });
  await storeOrders(pool, neighbour, [{ sequence: 1, expiresAt: FAR }]);
  // What both lanes have promised is stored.
  sale.lane.sequence = 1;
  await pool.query('UPDATE ledger SET sold = 0 WHERE sale_id = $1', [saleId]);
  for (const id of [saleId, neighbour]) await new SaleStore(pool).change(id, 'closed');
  // Other databases' transactions hold up the end of a group for a moment.
  for (let round = 0; round < 200 && (await stateOf(pool, neighbour))?.isEnded !== true; round += 1) {
    await sale.pass();
  }
  t.same(await stateOf(pool, neighbour), { state: 'failed', isEnded: true });
  t.equal(await valueOf(sale.metrics.groupsDamaged), ids.length, 'each is looked at, and told');
});

await test('a damaged group that a person has ended is told no more', async (t) => {
  const sale = await buildGroupSale(t, { groupMinimum: 9 }, [{}]);
  await sale.pool.query('UPDATE ledger SET sold = 0');
  await sale.close();
  await sale.pass();
  t.equal(await valueOf(sale.metrics.groupsDamaged), 1);
  await sale.pool.query('UPDATE sale_groups SET ended_at = now()');
  sale.clock.nowMs += 121_000;
  await sale.pass();
  t.equal(await valueOf(sale.metrics.groupsDamaged), 0);
});

await test('a pass waits once for room in the outbox, however many groups failed, and each gets its turn', async (t) => {
  const ids = ['one', 'three', 'two'];
  const sale = await buildGroupSale(
    t,
    { channels: ids.map((id) => channel(id, 9)) },
    ids.map((channelId) => ({ channelId })),
  );
  const { pool } = sale;
  await sale.close();
  await pool.query(
    `INSERT INTO outbox (topic, key, value, headers) SELECT 't', 'k', '{}', '{}' FROM generate_series(1, ${OUTBOX_MAX})`,
  );
  let questions = 0;
  const ended: string[] = [];
  const worker = sale.makeWorker((store) => ({
    ...store,
    isOutboxLong: (count) => {
      questions += 1;
      return store.isOutboxLong(count);
    },
    endOrders: (group, ...rest) => {
      ended.push(group.channelId);
      return store.endOrders(group, ...rest);
    },
  }));
  await worker.pass(SIGNAL);
  const ofOne = questions;
  t.ok(ofOne > 0 && ofOne <= 25, `${ofOne} questions in 500 ms`);
  await worker.pass(SIGNAL);
  t.equal(questions, 2 * ofOne, 'the pass after it as well');
  t.same(ended, []);
  await pool.query('UPDATE outbox SET published_at = now()');
  await worker.pass(SIGNAL);
  t.equal(ended[0], 'two', 'it goes on behind the group that waited last');
  await worker.pass(SIGNAL);
  t.same([...new Set(ended)].sort(), ids);
});
