// Goal: the audit hears what Postgres holds and how often each invariant is broken, and hears it quickly.
// Method: rows that break each invariant, written past the code and the constraints that forbid them, on a
// real Postgres.
import type { LedgerReading } from '@seckill/contracts';
import { test, type Test } from 'tap';
import { createDatabase } from '../support/database.ts';
import { makeReservation, storeOrders, storeSale } from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

async function createFixture(t: Test) {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  const saleId = await storeSale(pool, { mango: 50, orange: 200_000 });
  const read = async () =>
    (await call('GET', `/internal/sales/${saleId}/ledger`)).body as unknown as LedgerReading;
  return { pool, call, saleId, read };
}

await test('units, sequences, offsets and waiting messages are told as they are', async (t) => {
  const { pool, call, saleId, read } = await createFixture(t);
  const neighbour = await storeSale(pool, { orange: 10 });
  await storeOrders(pool, neighbour, [{ lines: [{ sku: 'orange', quantity: 7, price: 1 }] }]);
  await storeOrders(pool, saleId, [
    { sequence: 1, lines: [{ sku: 'orange', quantity: 3, price: 1 }] },
    {
      sequence: 2,
      lines: [
        { sku: 'orange', quantity: 2, price: 1 },
        { sku: 'mango', quantity: 1, price: 1 },
      ],
    },
    { sequence: 3 },
  ]);
  await pool.query(`UPDATE orders SET status = 'paid' WHERE sale_id = $1 AND sequence = 2`, [saleId]);
  await pool.query(
    `INSERT INTO outbox (topic, key, value, headers) VALUES ('t', $1, '', '{}'), ('t', $2, '', '{}')`,
    [`${saleId}.0.aaaaaaaaaaaaaaaa`, `${neighbour}.0.aaaaaaaaaaaaaaaa`],
  );
  await pool.query(`UPDATE orders SET expires_at = now() + interval '1 hour'`);
  await pool.query('INSERT INTO dead_letter_replays VALUES (0, 7)');
  await pool.query(`INSERT INTO dead_letters_done VALUES (0, 7, 'ann', 'told'), (0, 8, 'ann', 'told')`);
  await pool.query('INSERT INTO intake_offsets SELECT topic, 11, 5 FROM intake_offsets');
  const { now, ...reading } = await read();
  t.ok(Math.abs(now - Date.now()) < 60_000);
  t.same(reading, {
    saleId,
    epoch: 1,
    items: [
      { sku: 'mango', total: 50, sold: 1, pending: 0, paid: 1 },
      { sku: 'orange', total: 200_000, sold: 6, pending: 4, paid: 2 },
    ],
    lanes: [{ lane: 0, sequence: 3, gaps: 0 }],
    overLimit: 0,
    overCap: 0,
    doubleKeys: 0,
    overdue: 0,
    stored: ['3', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '5'],
    orderOutbox: 1,
    replayedDeadLetters: 2,
  });
  t.match(await call('GET', '/internal/sales/nowhere/ledger'), { status: 404 });
  const token = 'gateway-token-of-at-least-32-characters';
  t.match(await call('GET', `/internal/sales/${saleId}/ledger`, { token }), { status: 403 });
});

await test('gaps of every epoch are counted (INV-2), a fork fills none', async (t) => {
  const { pool, saleId, read } = await createFixture(t);
  await storeOrders(pool, saleId, [
    { sequence: 1 },
    { sequence: 4 },
    { sequence: 4 },
    { sequence: 2, epoch: 2 },
    { sequence: 1, epoch: 3 },
  ]);
  const { epoch, lanes } = await read();
  t.equal(epoch, 3);
  t.same(lanes, [{ lane: 0, sequence: 1, gaps: 3 }], '2 and 3 of epoch 1, 1 of epoch 2');
  await pool.query('UPDATE sales SET epoch = 9');
  t.same((await read()).lanes, [{ lane: 0, sequence: 0, gaps: 3 }], 'nothing of the newest epoch');
});

await test('limits, caps, double keys and overdue holds are counted (INV-4, INV-5, INV-6)', async (t) => {
  const { pool, saleId, read } = await createFixture(t);
  await pool.query(
    `UPDATE sales SET definition = definition || '{"limitPerBuyer": 2, "channels": [
       {"id": "a", "kind": "store", "title": "a", "cap": 3}, {"id": "b", "kind": "store", "title": "b"}]}'`,
  );
  await pool.query('DROP INDEX orders_one_per_key');
  const orange = (quantity: number) => [{ sku: 'orange', quantity, price: 1 }];
  const stored = await storeOrders(pool, saleId, [
    { userId: 'u', idempotencyKey: 'k1', lines: orange(2), channelId: 'a', expiresAt: 4_000_000_000_000 },
    { userId: 'v', idempotencyKey: 'k2', lines: orange(1), channelId: 'a', expiresAt: 4_000_000_000_000 },
    { userId: 'w', idempotencyKey: 'k3', lines: orange(2), channelId: 'b', expiresAt: 4_000_000_000_000 },
  ]);
  t.match(await read(), { overLimit: 0, overCap: 0, doubleKeys: 0, overdue: 0 });
  await storeOrders(pool, saleId, [
    { userId: 'u', idempotencyKey: 'k1', lines: orange(1), channelId: 'a', expiresAt: Date.now() - 60_000 },
  ]);
  t.match(await read(), { overLimit: 1, overCap: 1, doubleKeys: 1, overdue: 1 });
  await pool.query(`UPDATE orders SET status = 'cancelled' WHERE id = $1`, [stored[0]?.reservationId]);
  t.match(await read(), { overLimit: 0, overCap: 0, doubleKeys: 1 }, 'what ended counts for no limit');
  await pool.query(`UPDATE orders SET expires_at = now() - interval '1 second' WHERE status = 'pending'`);
  t.equal((await read()).overdue, 0, 'half a second of grace and two of INV-5');
  const limitOrange = (units: number) =>
    pool.query(
      `UPDATE sales SET definition = definition - 'limitPerBuyer' || jsonb_build_object('items', (
         SELECT jsonb_agg(CASE WHEN item ->> 'sku' = 'orange'
           THEN item || jsonb_build_object('limitPerBuyer', $1::integer) ELSE item END)
         FROM jsonb_array_elements(definition -> 'items') AS item))`,
      [units],
    );
  await limitOrange(2);
  t.equal((await read()).overLimit, 0);
  await limitOrange(1);
  t.equal((await read()).overLimit, 1, 'one buyer has two units of the item');
});

await test('100,000 orders are read in well below the time that one statement may take', async (t) => {
  const { pool, saleId, read } = await createFixture(t);
  const { lines } = makeReservation(saleId);
  // One statement may take 5 s, and a busy machine takes longer for all rows.
  for (let from = 1; from <= 100_000; from += 20_000) {
    await pool.query(
      `INSERT INTO orders (id, sale_id, lane, epoch, sequence, user_id, idempotency_key, fingerprint, lines,
         amount, currency, channel_id, status, reserved_at, expires_at)
     SELECT $1 || '.0.' || lpad(n::text, 16, 'a'), $1, 0, 1, n, 'user-' || n % 60000, 'key-' || n, 'f', $2, 100, 'CNY',
       'c' || n % 100, CASE WHEN n % 3 = 0 THEN 'paid' ELSE 'pending' END, now(), now() + interval '1 day'
     FROM generate_series($3::integer, $3::integer + 19999) AS n`,
      [saleId, JSON.stringify(lines), from],
    );
  }
  await pool.query(
    `UPDATE sales SET definition = definition || jsonb_build_object('limitPerBuyer', 2, 'channels',
       (SELECT jsonb_agg(jsonb_build_object('id', 'c' || n, 'cap', 2000)) FROM generate_series(0, 99) AS n))`,
  );
  const startedAt = performance.now();
  const { items, lanes, overLimit } = await read();
  const ms = performance.now() - startedAt;
  t.comment(`${Math.round(ms)} ms`);
  t.ok(ms < 5_000, `${Math.round(ms)} ms`);
  t.match(items[1], { pending: 66_667, paid: 33_333 });
  t.same(lanes, [{ lane: 0, sequence: 100_000, gaps: 0 }]);
  t.equal(overLimit, 0);
});
