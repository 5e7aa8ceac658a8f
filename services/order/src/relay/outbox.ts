import {
  HEADERS,
  RESERVATION_SETTLED,
  TOPICS,
  type ReservationSettled,
  type Returned,
} from '@seckill/contracts';
import { transaction, type Pool, type PoolClient } from '@seckill/runtime';
import { readTraceparents } from './traceparents.ts';

export type Verdict = ReservationSettled['verdict'];

/** An order whose hold has ended. */
export interface Ended {
  id: string;
  saleId: string;
  lane: number;
  lines: ReservationSettled['lines'];
  /** `<epoch>-<sequence>` of a hold that was taken again; absent: the first hold of the order. */
  retake?: string;
  /** What came back of a paid order since. */
  returned?: Returned;
}

const HEADERS_OF_SETTLED = JSON.stringify({
  [HEADERS.type]: RESERVATION_SETTLED.type,
  [HEADERS.version]: RESERVATION_SETTLED.version,
});

/**
 * Writes in the transaction that ends the orders. Expiring an order and telling Redis would otherwise be a
 * dual write (D6).
 */
export async function writeSettlements(client: PoolClient, ended: Ended[], verdict: Verdict): Promise<void> {
  if (ended.length === 0) return;
  const values = ended.map(({ id, ...facts }) => {
    const settled: ReservationSettled = { reservationId: id, ...facts, verdict };
    return JSON.stringify(settled);
  });
  await client.query(
    `INSERT INTO outbox (topic, key, value, headers)
     SELECT $1, key, value, $2::jsonb FROM unnest($3::text[], $4::text[]) AS message (key, value)`,
    [TOPICS.settlements.name, HEADERS_OF_SETTLED, ended.map(({ id }) => id), values],
  );
}

export interface OutboxMessage {
  topic: string;
  key: string;
  value: string;
  headers: Record<string, string>;
}

export interface Backlog {
  unpublished: number;
  /** Seconds; 0 when nothing waits. */
  oldestSeconds: number;
  /** Payment notices that have waited for their order for more than a minute. */
  waitingNotices: number;
  /** Payment notices that were not understood and wait for a person. */
  keptNotices: number;
  /** Money that waits to be given back, by currency; amounts in minor units. */
  dueRefunds: { currency: string; count: number; amount: number }[];
}

/** What the relay needs of Postgres. */
export interface OutboxStore {
  /**
   * Takes the oldest unpublished messages that no other relay has, and marks them published when `publish`
   * resolves. When `publish` throws, or we die, nothing is marked, and the messages are published again.
   * @returns how many.
   */
  publishNext(limit: number, publish: (messages: OutboxMessage[]) => Promise<void>): Promise<number>;
  /** @returns how many published messages were removed; `limit` when there may be more. */
  removePublished(keepSeconds: number, limit: number): Promise<number>;
  readBacklog(): Promise<Backlog>;
}

/**
 * Each function is one transaction without state of the session, so the store works through a pooler in
 * transaction mode.
 */
export function createOutboxStore(pool: Pool, { isTraced = false } = {}): OutboxStore {
  return {
    async publishNext(limit, publish) {
      // Five times a second nothing waits, and one statement says so; a transaction would take three.
      const { rowCount } = await pool.query(
        'SELECT FROM outbox WHERE published_at IS NULL ORDER BY id LIMIT 1',
      );
      if (rowCount === 0) return 0;
      return transaction(pool, (client) => publishNext(client, limit, publish, isTraced));
    },

    async removePublished(keepSeconds, limit) {
      // Only the lowest ids are looked at. The lowest ids are the oldest, so the read is bounded without an
      // index on the time.
      const { rowCount } = await pool.query(
        `DELETE FROM outbox WHERE id IN (
           SELECT id FROM (SELECT id, published_at FROM outbox ORDER BY id LIMIT $2) AS lowest
           WHERE published_at < now() - make_interval(secs => $1))`,
        [keepSeconds, limit],
      );
      return rowCount ?? 0;
    },

    async readBacklog() {
      const { rows } = await pool.query<{
        unpublished: string;
        oldest: number;
        waiting: string;
        kept: string;
        refunds: Backlog['dueRefunds'];
      }>(
        `SELECT count(*) AS unpublished,
           COALESCE(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS oldest,
           (SELECT count(*) FROM payments
            WHERE result = 'recorded' AND received_at < now() - interval '1 minute') AS waiting,
           (SELECT count(*) FROM kept_notices WHERE state = 'kept') AS kept,
           (SELECT COALESCE(jsonb_agg(due), '[]') FROM (
             SELECT currency, count(*) AS count, sum(amount) AS amount FROM (
               SELECT currency, amount FROM payments WHERE result = 'refund_due' AND refunded_at IS NULL AND amount > 0
               UNION ALL SELECT currency, amount FROM returns WHERE refunded_at IS NULL AND amount > 0) AS refund
             -- Metrics have a bound, and a notice may name any currency.
             GROUP BY currency ORDER BY count(*) DESC LIMIT 10) AS due) AS refunds
         FROM outbox WHERE published_at IS NULL`,
      );
      const [row] = rows;
      return {
        unpublished: Number(row?.unpublished ?? 0),
        oldestSeconds: Math.max(0, row?.oldest ?? 0),
        waitingNotices: Number(row?.waiting ?? 0),
        keptNotices: Number(row?.kept ?? 0),
        dueRefunds: row?.refunds ?? [],
      };
    },
  };
}

async function publishNext(
  client: PoolClient,
  limit: number,
  publish: (messages: OutboxMessage[]) => Promise<void>,
  isTraced: boolean,
): Promise<number> {
  const { rows } = await client.query<OutboxMessage & { id: string }>(
    `SELECT id, topic, key, value, headers FROM outbox WHERE published_at IS NULL
     ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED`,
    [limit],
  );
  if (rows.length === 0) return 0;
  if (isTraced) await goOnWithTraces(client, rows);
  await publish(rows);
  await client.query('UPDATE outbox SET published_at = clock_timestamp() WHERE id = ANY ($1::bigint[])', [
    rows.map(({ id }) => id),
  ]);
  return rows.length;
}

/** The end of an order belongs to the trace that its reservation began. */
async function goOnWithTraces(client: PoolClient, messages: OutboxMessage[]): Promise<void> {
  const traces = await readTraceparents(
    client,
    messages.map(({ key }) => key),
  );
  for (const message of messages) {
    const traceparent = traces.get(message.key);
    if (traceparent !== undefined)
      message.headers = { ...message.headers, [HEADERS.traceparent]: traceparent };
  }
}
