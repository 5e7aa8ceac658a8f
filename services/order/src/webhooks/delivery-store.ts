import type { WebhookEvent } from '@seckill/contracts';
import { transaction, type Pool, type PoolClient } from '@seckill/runtime';
import { readTraceparents } from '../relay/traceparents.ts';
import { renderEvents } from './event-bodies.ts';
import { tellSales } from './sale-moments.ts';
import type { Outcome } from './sender.ts';

/** An attempt that a process has taken. */
export interface Claim {
  id: string;
  endpointId: string;
  /** The attempt's number; whoever claims after us has a higher one. */
  attempts: number;
  /** The header `webhook-id`. */
  webhookId: string;
  body: string;
  url: string;
  secrets: Buffer[];
  /** Seconds since 1970, by Postgres' clock. */
  at: number;
  /** The trace of the order that the event tells of. */
  traceparent?: string;
}

export interface DeliveryBacklog {
  pending: number;
  /** Seconds since the oldest pending event; 0 when there is none. */
  oldestSeconds: number;
}

/** What the role needs of Postgres. */
export interface DeliveryStore {
  /** Keeps what became of sales by the clock and by their ledger. @returns how many events. */
  tellSales(): Promise<number>;
  /** @returns ids of the enabled endpoints that are due something. */
  listDue(): Promise<string[]>;
  /** Takes up to `limit` attempts that are due, for LEASE_SECONDS. */
  claim(endpointId: string, limit: number): Promise<Claim[]>;
  finish(
    claim: Claim,
    outcome: Outcome,
    pauseSeconds: number,
  ): Promise<'delivered' | 'retried' | 'given_up' | 'gone'>;
  /** Gives back an attempt that was broken off. */
  release(claim: Claim): Promise<void>;
  /** Ends what waited for three days, and what waits for a disabled endpoint. @returns how many. */
  giveUp(limit: number): Promise<number>;
  removeOld(limit: number): Promise<number>;
  readBacklog(): Promise<DeliveryBacklog>;
}

/** Longer than an attempt takes; a process that was killed keeps its attempts for so long. */
const LEASE_SECONDS = 30;
/** How long a delivery that has ended can be looked at and replayed. */
const KEEP_DAYS = 7;

interface ClaimRow {
  id: string;
  endpoint_id: string;
  attempts: number;
  webhook_id: string;
  type: WebhookEvent;
  subject: string;
  body: string | null;
  created_at: Date;
  url: string;
  secret: Buffer;
  old_secret: Buffer | null;
  at: number;
}

export function createDeliveryStore(pool: Pool, { isTraced = false } = {}): DeliveryStore {
  return {
    tellSales: () => transaction(pool, tellSales),
    listDue: async () => {
      const { rows } = await pool.query<{ id: string }>(
        `SELECT id FROM webhook_endpoints WHERE state = 'enabled' AND EXISTS (
           SELECT FROM webhook_deliveries WHERE endpoint_id = webhook_endpoints.id AND state = 'pending'
             AND next_attempt_at <= (SELECT clock_timestamp()))`,
      );
      return rows.map(({ id }) => id);
    },
    claim: (endpointId, limit) => transaction(pool, (client) => claim(client, endpointId, limit, isTraced)),
    finish: (claimed, outcome, pauseSeconds) =>
      transaction(pool, (client) => finish(client, claimed, outcome, pauseSeconds)),
    release: async ({ id, attempts }) => {
      await pool.query(
        `UPDATE webhook_deliveries SET next_attempt_at = clock_timestamp()
         WHERE id = $1 AND attempts = $2 AND state = 'pending'`,
        [id, attempts],
      );
    },
    giveUp: async (limit) => {
      const { rowCount } = await pool.query(
        `WITH late AS MATERIALIZED (
           SELECT id FROM webhook_deliveries WHERE state = 'pending' AND give_up_at < now()
           LIMIT $1 FOR UPDATE SKIP LOCKED),
         unwanted AS MATERIALIZED (
           SELECT id FROM webhook_deliveries WHERE state = 'pending'
             AND endpoint_id IN (SELECT id FROM webhook_endpoints WHERE state = 'disabled')
           LIMIT $1 FOR UPDATE SKIP LOCKED)
         UPDATE webhook_deliveries SET state = 'failed', ended_at = clock_timestamp(),
           last_error = COALESCE(last_error, 'not told in time')
         WHERE id IN (SELECT id FROM late UNION SELECT id FROM unwanted)`,
        [limit],
      );
      return rowCount ?? 0;
    },
    removeOld: async (limit) => {
      const { rowCount } = await pool.query(
        `DELETE FROM webhook_deliveries WHERE id IN (
           SELECT id FROM webhook_deliveries
           WHERE state <> 'pending' AND ended_at < now() - make_interval(days => $1)
           LIMIT $2 FOR UPDATE SKIP LOCKED)`,
        [KEEP_DAYS, limit],
      );
      return rowCount ?? 0;
    },
    readBacklog: async () => {
      const { rows } = await pool.query<{ pending: string; oldest: number }>(
        `SELECT count(*) AS pending,
           COALESCE(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS oldest
         FROM webhook_deliveries WHERE state = 'pending'`,
      );
      return {
        pending: Number(rows[0]?.pending ?? 0),
        oldestSeconds: Math.max(0, rows[0]?.oldest ?? 0),
      };
    },
  };
}

/**
 * An endpoint hears the events of one order, or of one sale, in the order in which they happened: a later
 * event waits until the earlier one has ended. An attempt that was claimed is due again when its lease is
 * over, whoever died.
 */
async function claim(
  client: PoolClient,
  endpointId: string,
  limit: number,
  isTraced: boolean,
): Promise<Claim[]> {
  const { rows } = await client.query<ClaimRow>(
    `WITH due AS MATERIALIZED (
       SELECT id FROM webhook_deliveries AS delivery
       WHERE endpoint_id = $1 AND state = 'pending' AND next_attempt_at <= (SELECT clock_timestamp())
         AND NOT EXISTS (SELECT FROM webhook_deliveries AS earlier
           WHERE earlier.endpoint_id = $1 AND earlier.subject = delivery.subject
             AND earlier.state = 'pending' AND earlier.id < delivery.id)
       ORDER BY next_attempt_at, id LIMIT $2
       FOR UPDATE SKIP LOCKED)
     UPDATE webhook_deliveries AS delivery
     SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => $3)
     FROM due, webhook_endpoints AS endpoint
     WHERE delivery.id = due.id AND endpoint.id = delivery.endpoint_id AND endpoint.state = 'enabled'
     RETURNING delivery.id, delivery.endpoint_id, attempts, webhook_id, type, subject, body,
       delivery.created_at, url, secret,
       CASE WHEN old_secret_until > clock_timestamp() THEN old_secret END AS old_secret,
       extract(epoch FROM clock_timestamp())::float8 AS at`,
    [endpointId, limit, LEASE_SECONDS],
  );
  const bodies = await renderEvents(
    client,
    rows.filter(({ body }) => body === null),
  );
  const traces = isTraced
    ? await readTraceparents(
        client,
        rows.map(({ subject }) => subject),
      )
    : undefined;
  return rows.flatMap((row) => {
    const traceparent = traces?.get(row.subject);
    const body = row.body ?? bodies.get(row.id);
    if (body === undefined) return [];
    return {
      id: row.id,
      endpointId: row.endpoint_id,
      attempts: row.attempts,
      webhookId: `msg_${row.webhook_id}`,
      body,
      url: row.url,
      secrets: row.old_secret === null ? [row.secret] : [row.secret, row.old_secret],
      at: Math.floor(row.at),
      ...(traceparent === undefined ? {} : { traceparent }),
    };
  });
}

async function finish(
  client: PoolClient,
  { id, attempts, endpointId }: Claim,
  { isDelivered, isGone, status, error, retryAfterSeconds = 0 }: Outcome,
  pauseSeconds: number,
): Promise<'delivered' | 'retried' | 'given_up' | 'gone'> {
  // The endpoint is locked first. Otherwise attempts that end at the same time and alike would wait for each
  // other.
  if (isGone) {
    await client.query(`UPDATE webhook_endpoints SET state = 'disabled' WHERE id = $1`, [endpointId]);
  }
  const { rows } = await client.query<{ state: string }>(
    `UPDATE webhook_deliveries
     SET state = CASE WHEN $3 THEN 'delivered' WHEN $4 OR next > give_up_at THEN 'failed' ELSE 'pending' END,
       ended_at = CASE WHEN $3 OR $4 OR next > give_up_at THEN clock_timestamp() END,
       next_attempt_at = next, last_status = $5, last_error = $6
     FROM (SELECT clock_timestamp() + make_interval(secs => $7) AS next) AS pause
     WHERE id = $1 AND attempts = $2 AND state = 'pending'
     RETURNING state`,
    [
      id,
      attempts,
      isDelivered,
      isGone,
      status ?? null,
      error ?? null,
      Math.max(pauseSeconds, retryAfterSeconds),
    ],
  );
  if (isGone) return 'gone';
  if (isDelivered) return 'delivered';
  return rows[0]?.state === 'failed' ? 'given_up' : 'retried';
}
