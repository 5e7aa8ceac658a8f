import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { createSale } from '../target/sale.ts';
import type { Target } from '../target/target.ts';

/** Rows of one INSERT: some seconds of PostgreSQL's time at most. */
const INSERT_COUNT = 50_000;
const CHANNELS = 200;
const REFS = 400;

/**
 * Orders as the intake stores them. There are two items, and one order in ten has both. Six of seven came
 * through one of 200 channels, two of five with one of 400 refs. Two in three are paid, one in six is
 * pending, one in six cancelled. All were reserved within 50 minutes.
 */
const INSERT = `
  INSERT INTO orders (id, sale_id, lane, epoch, sequence, user_id, idempotency_key, fingerprint, lines, amount,
    currency, channel_id, ref, status, pickup_code, reserved_at, expires_at, paid_at, ended_at)
  SELECT $1 || '.0.' || left(translate(encode(sha256(convert_to($1 || number, 'UTF8')), 'base64'), '+/', '-_'), 38),
    $1, 0, 1, number, 'user-' || lpad(number::text, 11, '0'), 'key-' || md5($1 || number),
    left(translate(encode(sha256(convert_to('print' || number, 'UTF8')), 'base64'), '+/', '-_'), 43),
    CASE WHEN number % 10 = 0 THEN '[{"sku":"mango","quantity":1,"price":3990},{"sku":"orange","quantity":1,"price":2990}]'
      WHEN number % 10 < 3 THEN '[{"sku":"mango","quantity":2,"price":3990}]'
      ELSE '[{"sku":"orange","quantity":1,"price":2990}]' END::jsonb,
    CASE WHEN number % 10 = 0 THEN 6980 WHEN number % 10 < 3 THEN 7980 ELSE 2990 END, 'CNY',
    CASE WHEN number % 7 > 0 THEN 'group-' || number * 7919 % ${CHANNELS} END,
    CASE WHEN number % 5 < 2 THEN 'note-' || number * 31 % ${REFS} END,
    status, CASE status WHEN 'paid' THEN lpad((number % 1000000)::text, 6, '0') END,
    at, at + interval '1 day', CASE status WHEN 'paid' THEN at + number % 900 * interval '1 second' END,
    CASE status WHEN 'cancelled' THEN at + number % 900 * interval '1 second' END
  FROM (
    SELECT number, now() + number * interval '3 milliseconds' AS at,
      (ARRAY['paid', 'paid', 'pending', 'paid', 'paid', 'cancelled'])[1 + number % 6] AS status
    FROM generate_series($2::bigint, $3::bigint) AS number) AS made`;

/** A sale with these orders, straight in PostgreSQL: Redis does not know of them. @returns its id */
export async function storeSoldSale(target: Target, count: number): Promise<string> {
  const saleId = `bench-${randomBytes(6).toString('hex')}`;
  const item = (sku: string, amount: number) => ({
    sku,
    title: sku,
    price: { amount, currency: 'CNY' },
    total: 2 * count,
  });
  const channels = Array.from({ length: CHANNELS }, (_, index) => ({
    id: `group-${index}`,
    kind: 'community' as const,
    title: `Group ${index}`,
    partnerId: `p-${index % 50}`,
    pickupPointId: `store-${index % 100}`,
  }));
  await createSale(
    target,
    saleId,
    { title: 'Sold', items: [item('mango', 3_990), item('orange', 2_990)], channels },
    Date.now(),
  );
  const client = new pg.Client({ connectionString: target.info?.postgres });
  await client.connect();
  try {
    for (let from = 1; from <= count; from += INSERT_COUNT) {
      await client.query(INSERT, [saleId, from, Math.min(count, from + INSERT_COUNT - 1)]);
    }
    await client.query(
      `INSERT INTO payments (payment_id, order_id, amount, currency, result, provider_timestamp)
       SELECT 'pay-' || id, id, amount, currency, 'paid', 'bench' FROM orders WHERE sale_id = $1 AND status = 'paid'`,
      [saleId],
    );
    await client.query(
      `UPDATE ledger SET sold = (
         SELECT sum(quantity) FROM orders CROSS JOIN LATERAL jsonb_to_recordset(lines) AS line (sku text, quantity bigint)
         WHERE sale_id = $1 AND status IN ('pending', 'paid') AND line.sku = ledger.sku)
       WHERE sale_id = $1`,
      [saleId],
    );
    await client.query('VACUUM ANALYZE orders');
    await client.query('VACUUM ANALYZE payments');
  } finally {
    await client.end();
  }
  return saleId;
}
