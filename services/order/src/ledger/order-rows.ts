import { invariant, type PoolClient } from '@seckill/runtime';
import { keepEvents } from './order-events.ts';
import type { Reserved } from './reservation-message.ts';

/**
 * Why an order was refused. `ledger`: there are no units left for it; `limit`: its buyer or channel has no
 * more to take; `key_clash`, `sequence_fork`: another order has its idempotency key, or its sequence.
 */
export type Refusal = 'ledger' | 'limit' | 'key_clash' | 'sequence_fork';

export interface RefusedOrder {
  id: string;
  refusal: Refusal;
}

/**
 * Inserts orders in the order of their ids, as every transaction takes orders (docs/recovery.md,
 * "Intake"). An order whose sequence a retake has is a fork, and is left to `storeClashes`.
 * @returns the ids that were not known before. Only these may count (D3).
 */
export async function insertOrders(
  client: PoolClient,
  orders: Reserved[],
  refusal?: Refusal,
): Promise<Set<string>> {
  if (orders.length === 0) return new Set();
  const { rows } = await client.query<{ id: string }>(
    `INSERT INTO orders (id, sale_id, lane, epoch, sequence, user_id, idempotency_key, fingerprint, lines, bought, amount,
       currency, channel_id, ref, metadata, traceparent, contact, reserved_at, expires_at, status, refusal, ended_at)
     SELECT id, sale_id, lane, epoch, sequence, user_id, idempotency_key, fingerprint, lines::jsonb, bought::jsonb, amount,
       currency, channel_id, ref, metadata::json, traceparent, contact,
       to_timestamp(reserved_ms / 1000.0), to_timestamp(expires_ms / 1000.0),
       CASE WHEN $16::text IS NULL THEN 'pending' ELSE 'refused' END, $16,
       CASE WHEN $16 IS NULL THEN NULL ELSE now() END
     FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
       $8::text[], $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::bigint[], $15::bigint[],
       $17::text[], $18::text[], $19::text[], $20::text[])
       AS message (id, sale_id, lane, epoch, sequence, user_id, idempotency_key, fingerprint, lines, amount,
         currency, channel_id, ref, reserved_ms, expires_ms, metadata, traceparent, contact, bought)
     WHERE $16 IS NOT NULL OR NOT EXISTS (
       SELECT FROM retakes WHERE retakes.sale_id = message.sale_id AND retakes.lane = message.lane
         AND retakes.epoch = message.epoch AND retakes.sequence = message.sequence)
     ORDER BY id COLLATE "C"
     ON CONFLICT DO NOTHING
     RETURNING id`,
    [
      orders.map(({ reservationId }) => reservationId),
      orders.map(({ saleId }) => saleId),
      orders.map(({ lane }) => lane),
      orders.map(({ epoch }) => epoch),
      orders.map(({ sequence }) => sequence),
      orders.map(({ userId }) => userId),
      orders.map(({ idempotencyKey }) => idempotencyKey),
      orders.map(({ fingerprint }) => fingerprint),
      orders.map(({ lines }) => JSON.stringify(lines)),
      orders.map(({ amount }) => amount),
      orders.map(({ currency }) => currency),
      orders.map(({ channelId }) => channelId ?? null),
      orders.map(({ ref }) => ref ?? null),
      orders.map(({ reservedAt }) => reservedAt),
      orders.map(({ expiresAt }) => expiresAt),
      refusal ?? null,
      orders.map(({ metadata }) => (metadata === undefined ? null : JSON.stringify(metadata))),
      orders.map(({ traceparent }) => traceparent ?? null),
      orders.map(({ contact }) => contact ?? null),
      orders.map(({ bought }) => (bought === undefined ? null : JSON.stringify(bought))),
    ],
  );
  return new Set(rows.map(({ id }) => id));
}

/**
 * Keeps orders that were not inserted. When the id is known, there is nothing to do. Otherwise another
 * order has the key or the sequence. The new order is then kept as refused, because its buyer was told
 * "reserved" and a person has to look.
 * @param rest orders that `insertOrders` did not insert.
 */
export async function storeClashes(client: PoolClient, rest: Reserved[]): Promise<RefusedOrder[]> {
  if (rest.length === 0) return [];
  const { rows } = await client.query<{ id: string; is_known: boolean; is_fork: boolean; is_clash: boolean }>(
    `SELECT message.id,
       EXISTS (SELECT FROM orders WHERE orders.id = message.id) AS is_known,
       EXISTS (SELECT FROM orders WHERE orders.sale_id = message.sale_id AND orders.lane = message.lane
         AND orders.epoch = message.epoch AND orders.sequence = message.sequence
         AND orders.status <> 'refused')
       OR EXISTS (SELECT FROM retakes WHERE retakes.sale_id = message.sale_id AND retakes.lane = message.lane
         AND retakes.epoch = message.epoch AND retakes.sequence = message.sequence) AS is_fork,
       EXISTS (SELECT FROM orders WHERE orders.sale_id = message.sale_id AND orders.user_id = message.user_id
         AND orders.idempotency_key = message.idempotency_key AND orders.status <> 'refused') AS is_clash
     FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::bigint[], $6::text[], $7::text[])
       AS message (id, sale_id, lane, epoch, sequence, user_id, idempotency_key)`,
    [
      rest.map(({ reservationId }) => reservationId),
      rest.map(({ saleId }) => saleId),
      rest.map(({ lane }) => lane),
      rest.map(({ epoch }) => epoch),
      rest.map(({ sequence }) => sequence),
      rest.map(({ userId }) => userId),
      rest.map(({ idempotencyKey }) => idempotencyKey),
    ],
  );
  const refusals = new Map<string, Refusal>();
  for (const { id, is_known, is_fork, is_clash } of rows) {
    if (is_known) continue;
    invariant(is_fork || is_clash, `order ${id} was neither stored nor known nor in conflict`);
    // A fork says more: nothing that Redis made after this sequence can be trusted.
    refusals.set(id, is_fork ? 'sequence_fork' : 'key_clash');
  }
  const stored: RefusedOrder[] = [];
  for (const refusal of ['key_clash', 'sequence_fork'] as const) {
    const orders = rest.filter(({ reservationId }) => refusals.get(reservationId) === refusal);
    for (const id of await insertOrders(client, orders, refusal)) stored.push({ id, refusal });
  }
  await tellRefused(client, stored);
  return stored;
}

export async function refuseOrders(client: PoolClient, refused: RefusedOrder[]): Promise<void> {
  if (refused.length === 0) return;
  await client.query(
    `UPDATE orders SET status = 'refused', refusal = refused.refusal, ended_at = now()
     FROM unnest($1::text[], $2::text[]) AS refused (id, refusal) WHERE orders.id = refused.id`,
    [refused.map(({ id }) => id), refused.map(({ refusal }) => refusal)],
  );
  await tellRefused(client, refused);
}

async function tellRefused(client: PoolClient, refused: RefusedOrder[]): Promise<void> {
  await keepEvents(
    client,
    'order.refused',
    refused.map(({ id }) => id),
  );
}
