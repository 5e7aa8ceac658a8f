import { formatInstant, type SaleDefinition, type WebhookEvent } from '@seckill/contracts';
import type { PoolClient } from '@seckill/runtime';
import { readOrders } from '../orders/order-row.ts';

/** An event that has no body yet. */
export interface Unrendered {
  id: string;
  type: WebhookEvent;
  subject: string;
  created_at: Date;
}

/**
 * Makes the bodies `{ type, timestamp, data }` and stores them, so that every attempt sends the same bytes.
 * `data` is the order, with its user, or the sale, as they are at the first attempt.
 * @returns bodies by id; an event whose order or sale is gone has none and ends here.
 */
export async function renderEvents(client: PoolClient, events: Unrendered[]): Promise<Map<string, string>> {
  if (events.length === 0) return new Map();
  const ofOrders = events.filter(({ type }) => type.startsWith('order.'));
  const ofSales = events.filter(({ type }) => !type.startsWith('order.'));
  const data = new Map<string, unknown>([
    ...(await readOrders(client, subjectsOf(ofOrders))),
    ...(await readSales(client, subjectsOf(ofSales))),
  ]);
  const bodies = new Map<string, string>();
  for (const { id, type, subject, created_at } of events) {
    if (!data.has(subject)) continue;
    const body = { type, timestamp: formatInstant(created_at), data: data.get(subject) };
    bodies.set(id, JSON.stringify(body));
  }
  await client.query(
    `UPDATE webhook_deliveries SET body = made.body FROM unnest($1::bigint[], $2::text[]) AS made (id, body)
     WHERE webhook_deliveries.id = made.id`,
    [[...bodies.keys()], [...bodies.values()]],
  );
  await client.query(
    `UPDATE webhook_deliveries SET state = 'failed', ended_at = clock_timestamp(), last_error = 'nothing to tell'
     WHERE id = ANY ($1::bigint[])`,
    [events.map(({ id }) => id).filter((id) => !bodies.has(id))],
  );
  return bodies;
}

const subjectsOf = (events: Unrendered[]): string[] => [...new Set(events.map(({ subject }) => subject))];

interface SaleRow {
  definition: SaleDefinition;
  version: string;
  state: string;
  ledger: Record<string, { total: number; sold: number }>;
}

/** Sales as receivers see them: `sold` counts what is held and what is paid, by the ledger. */
async function readSales(client: PoolClient, ids: string[]): Promise<[string, unknown][]> {
  if (ids.length === 0) return [];
  const { rows } = await client.query<SaleRow>(
    `SELECT definition, version, state, (
       SELECT jsonb_object_agg(sku, jsonb_build_object('total', total, 'sold', sold))
       FROM ledger WHERE sale_id = sales.id) AS ledger
     FROM sales WHERE id = ANY ($1::text[])`,
    [ids],
  );
  return rows.map(({ definition, version, state, ledger }) => {
    const { id, title, opensAt, closesAt, items } = definition;
    const counts = items.map(({ sku, title, price }) => ({ sku, title, price, ...ledger[sku] }));
    return [id, { id, title, opensAt, closesAt, state, version: Number(version), items: counts }];
  });
}
