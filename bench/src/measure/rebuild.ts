import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';
import { readUse, spentBetween } from './cpu.ts';
import type { Target } from '../target/target.ts';

/** Rows of one INSERT: some seconds of PostgreSQL's time at most. */
const INSERT_COUNT = 50_000;
const POLL_MS = 10;
const OPEN_MS = 900_000;
/** What is compared after a rebuild, in the order in which it is read. A buyer has one order of one unit. */
const COUNTED = 'holds, keys, buyers, units of the buyers, of the channel, held and paid';

/**
 * Orders of a sale as the intake stores them, one line each: users of 16 and keys of 36 characters. Three
 * orders in six are pending, two paid and one cancelled. The end of an id is the hash of user and key
 * (services/stock/src/redis/reservation-id.ts), and stock loads no order of which this is not so.
 */
const INSERT = `
  INSERT INTO orders (id, sale_id, lane, epoch, sequence, user_id, idempotency_key, fingerprint, lines, amount,
    currency, channel_id, status, reserved_at, expires_at, paid_at, ended_at)
  SELECT $1 || '.0.' || left(translate(encode(sha256(convert_to($1 || number, 'UTF8')), 'base64'), '+/', '-_'), 16)
      || left(translate(encode(sha256(convert_to(user_id || E'\\n' || key, 'UTF8')), 'base64'), '+/', '-_'), 22),
    $1, 0, 1, number, user_id, key, 'bench', '[{"sku":"unit","quantity":1,"price":2990}]', 2990,
    'CNY', 'group', status, now(), now() + interval '1 hour',
    CASE WHEN status = 'paid' THEN now() END, CASE WHEN status = 'cancelled' THEN now() END
  FROM (
    SELECT number, 'user-' || lpad(number::text, 11, '0') AS user_id, 'key-' || md5($1 || number) AS key,
      (ARRAY['pending', 'paid', 'pending', 'paid', 'pending', 'cancelled'])[1 + number % 6] AS status
    FROM generate_series($2::int, $3::int) AS number) AS made`;

/** Writes the orders of a sale that has none straight into PostgreSQL. */
export async function storeOrders({ info }: Target, saleId: string, count: number): Promise<void> {
  const client = new pg.Client({ connectionString: info?.postgres });
  await client.connect();
  try {
    for (let from = 1; from <= count; from += INSERT_COUNT) {
      await client.query(INSERT, [saleId, from, Math.min(count, from + INSERT_COUNT - 1)]);
    }
    await client.query(
      `UPDATE ledger SET sold = (SELECT count(*) FROM orders WHERE sale_id = $1 AND status <> 'cancelled')
       WHERE sale_id = $1`,
      [saleId],
    );
    await client.query('VACUUM ANALYZE orders');
  } finally {
    await client.end();
  }
}

export interface Rebuilt {
  /** The time from the loss of the lane in Redis until the lane sold again. */
  seconds: number;
  /** µs of CPU an order, by process. */
  cpuUs: Record<string, number>;
  /** How what Redis has now differs from the orders; undefined: it does not. */
  finding: string | undefined;
}

/** Takes the lane from Redis and waits until stock has it loaded and open again. */
export async function timeRebuild({ info, pids }: Target, saleId: string, count: number): Promise<Rebuilt> {
  if (info === undefined) throw new Error('no stack of our own');
  const redis = new Redis(info.redis, { maxRetriesPerRequest: 3 });
  const key = (part: string) => `seckill:{${saleId}:0}:${part}`;
  try {
    const before = readUse(pids);
    const startedAt = performance.now();
    await redis.unlink(key('state'), key('buyers'), key('keys'), key('holds'));
    while ((await redis.hget(key('state'), 'gate')) !== 'open') {
      if (performance.now() - startedAt > OPEN_MS) throw new Error(`${saleId} does not open again`);
      await sleep(POLL_MS);
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    const spent = Object.entries(spentBetween(before, readUse(pids)));
    const cpuUs = Object.fromEntries(spent.map(([name, used]) => [name, (used * 1_000_000) / count]));
    const found = [
      await redis.hlen(key('holds')),
      await redis.hlen(key('keys')),
      await redis.hlen(key('buyers')),
      // The first word of a buyer's are the units held or paid.
      (await redis.hvals(key('buyers'))).reduce((sum, text) => sum + Number(text.split(' ')[0]), 0),
      ...(await redis.hmget(key('state'), 'group:units', 'unit:held', 'unit:paid')).map(Number),
    ];
    const expected = await countStored(info.postgres, saleId);
    const isSame = found.every((value, index) => value === expected[index]);
    const text = `${saleId}: ${COUNTED} are ${found.join(', ')} and not ${expected.join(', ')}`;
    return { seconds, cpuUs, finding: isSame ? undefined : text };
  } finally {
    redis.disconnect();
  }
}

/** What a lane must have of these orders, as COUNTED names it. */
async function countStored(url: string, saleId: string): Promise<number[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ pending: number; paid: number; ended: number }>(
      `SELECT count(*) FILTER (WHERE status = 'pending')::int AS pending, count(*) FILTER (WHERE status = 'paid')::int AS paid,
         count(*) FILTER (WHERE status <> 'pending')::int AS ended
       FROM orders WHERE sale_id = $1`,
      [saleId],
    );
    const { pending = 0, paid = 0, ended = 0 } = rows[0] ?? {};
    const taken = pending + paid;
    return [pending, ended, pending + ended, taken, taken, pending, paid];
  } finally {
    await client.end();
  }
}
