// Goal: a code that people show each other names one order where it is shown. Method: the real way of a
// payment on a real Postgres; codes that would collide are chosen or taken on purpose.
import { migrate } from '../../src/commands/migrate.ts';
import { readMigrations } from '../../src/schema/migrations.ts';
import { transaction } from '@seckill/runtime';
import { test } from 'tap';
import { claimPickupCodes } from '../../src/ledger/pickup-codes.ts';
import { createDatabase } from '../support/database.ts';
import { buildEnds } from '../support/build.ts';
import { makeNotice, storeOrders, storeSale } from '../support/reservations.ts';

const channels = [
  { id: 'east', kind: 'community' as const, title: 'East', pickupPointId: 'store-3' },
  { id: 'west', kind: 'community' as const, title: 'West', pickupPointId: 'store-3' },
  { id: 'feed', kind: 'content' as const, title: 'Feed' },
];

await test('payments that race for one code at one point all succeed, each with its own code', async (t) => {
  const { pool } = await createDatabase(t, { connections: 20 });
  const saleIds = [
    await storeSale(pool, { orange: 100 }, { channels }),
    await storeSale(pool, { orange: 100 }, { channels }),
  ];
  const ids: string[] = [];
  for (const saleId of saleIds) {
    for (const channelId of ['east', 'west']) {
      const stored = await storeOrders(pool, saleId, Array<object>(5).fill({ channelId }));
      ids.push(...stored.map(({ reservationId }) => reservationId));
    }
  }
  // There are ten codes of six digits for twenty orders, so half of the orders need a longer code.
  const makeCode = (digits: number) =>
    digits === 6 ? `00000${Math.floor(Math.random() * 10)}` : String(Math.random()).slice(2, 2 + digits);
  const claimed = await Promise.all(
    ids.map((id) => transaction(pool, (client) => claimPickupCodes(client, [id], makeCode))),
  );
  const codes = claimed.map((one, index) => one.get(ids[index] ?? ''));
  t.equal(new Set(codes).size, ids.length, 'two sales and two channels share the pick-up point');
  t.ok(codes.some((code) => code?.length === 6) && codes.some((code) => (code?.length ?? 0) > 6));
});

await test('orders that are paid in one transaction get codes of their own, though the first choice is one', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 }, { channels });
  const values = await storeOrders(pool, saleId, [{}, { channelId: 'feed' }, { channelId: 'east' }, {}]);
  let calls = 0;
  const makeCode = (digits: number) => {
    calls += 1;
    return (calls <= 4 ? '7' : String(calls)).padStart(digits, '0');
  };
  const ids = values.map(({ reservationId }) => reservationId);
  const codes = await transaction(pool, (client) => claimPickupCodes(client, ids, makeCode));
  t.equal(codes.size, 4);
  const sevens = ids.filter((id) => codes.get(id) === '000007');
  t.ok(sevens.includes(ids[2] ?? ''), 'a pick-up point has codes of its own');
  t.equal(sevens.length, 2, 'one at the point, and one in the rest of the sale');
});

await test('where all codes of six digits are taken a payment still succeeds', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 100 });
  for (let from = 0; from < 1_000_000; from += 100_000) {
    await pool.query(
      `INSERT INTO pickup_codes (scope, code, order_id)
       SELECT $1, lpad(n::text, 6, '0'), 'taken-' || n FROM generate_series($2::int, $2::int + 99999) AS n`,
      [`sale:${saleId}`, from],
    );
  }
  const [order] = await storeOrders(pool, saleId, [{ userId: 'u1' }]);
  const { payments, orders } = buildEnds(pool);
  t.equal(await payments.accept(makeNotice(order?.reservationId ?? '')), 'paid');
  t.match(await orders.read(order?.reservationId ?? '', 'u1'), { pickupCode: /^\d{7}$/ });
});

await test('the migration tells older orders with one code apart, and the first paid keeps the code', async (t) => {
  const { url, pool } = await createDatabase(t, { isMigrated: false });
  const migrations = readMigrations();
  await migrate(url, migrations.slice(0, 5));
  await pool.query(
    `INSERT INTO sales (id, definition, fingerprint, lanes, opens_at, closes_at)
     SELECT id, jsonb_build_object('channels', $1::jsonb), '', 1, now(), now() + interval '1 hour'
     FROM unnest(ARRAY['pears', 'plums', 'figs']) AS id`,
    [JSON.stringify(channels)],
  );
  const rows: [string, string, string | null, number][] = [
    ['later', 'pears', 'east', 2],
    ['first', 'plums', 'west', 1],
    ['third', 'pears', 'west', 3],
    ['no-point', 'pears', 'feed', 4],
    ['no-channel', 'pears', null, 5],
    ['elsewhere', 'figs', null, 6],
  ];
  for (const [id, saleId, channelId, at] of rows) {
    await pool.query(
      `INSERT INTO orders (id, sale_id, lane, epoch, sequence, user_id, idempotency_key, fingerprint, lines, amount,
         currency, channel_id, status, reserved_at, expires_at, paid_at, pickup_code)
       VALUES ($1, $2, 0, 1, $4::int, $1, $1, '', '[]', 0, 'CNY', $3, 'paid', now(), now(), to_timestamp($4::int), '482913')`,
      [id, saleId, channelId, at],
    );
  }
  await migrate(url, migrations);
  const { rows: coded } = await pool.query<{ id: string; code: string; scope: string }>(
    `SELECT id, pickup_code AS code, scope FROM orders
     JOIN pickup_codes ON order_id = id AND code = pickup_code ORDER BY paid_at`,
  );
  t.equal(coded.length, rows.length, 'each order has the code that the constraint guards');
  t.equal(new Set(coded.map(({ scope, code }) => `${scope} ${code}`)).size, rows.length);
  const kept = coded.filter(({ code }) => code === '482913').map(({ id }) => id);
  t.same(kept, ['first', 'no-point', 'elsewhere'], 'one in each place, the first that was paid');
  t.ok(coded.every(({ code }) => /^\d{6}$/.test(code)));
});
