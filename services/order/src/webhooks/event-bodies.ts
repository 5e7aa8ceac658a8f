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
 * `data` is the order, with its user, or the sale, as they are at the first attempt; of a group it is the
 * sale with the group.
 * @returns bodies by id; an event whose order or sale is gone has none and ends here.
 */
export async function renderEvents(client: PoolClient, events: Unrendered[]): Promise<Map<string, string>> {
  if (events.length === 0) return new Map();
  const ofOrders = events.filter(({ type }) => type.startsWith('order.'));
  const ofSales = events.filter(({ type }) => type.startsWith('sale.'));
  const ofGroups = events.filter(({ type }) => type.startsWith('group.'));
  const data = new Map<string, unknown>([
    ...(await readOrders(client, subjectsOf(ofOrders))),
    ...(await readSales(client, subjectsOf(ofSales))),
  ]);
  const groups = await readGroups(client, subjectsOf(ofGroups));
  const bodies = new Map<string, string>();
  for (const { id, type, subject, created_at } of events) {
    const found = type.startsWith('group.') ? groups.get(subject) : data.get(subject);
    if (found === undefined) continue;
    const body = { type, timestamp: formatInstant(created_at), data: found };
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
async function readSales(client: PoolClient, ids: string[]): Promise<[string, object][]> {
  if (ids.length === 0) return [];
  const { rows } = await client.query<SaleRow>(
    `SELECT definition, version, state, (
       SELECT jsonb_object_agg(sku, jsonb_build_object('total', total, 'sold', sold))
       FROM ledger WHERE sale_id = sales.id) AS ledger
     FROM sales WHERE id = ANY ($1::text[])`,
    [ids],
  );
  return rows.map(({ definition, version, state, ledger }) => {
    const { id, title, opensAt, closesAt, items, kits = [] } = definition;
    // A kit has no counts.
    const counts = [...items, ...kits].map(({ sku, title, price }) => ({
      sku,
      title,
      price,
      ...ledger[sku],
    }));
    return [id, { id, title, opensAt, closesAt, state, version: Number(version), items: counts }];
  });
}

interface GroupRow {
  subject: string;
  sale_id: string;
  channel_id: string;
  minimum: string;
  units: string | null;
  state: string;
  decided_at: Date | null;
}

/** The groups by subject, `<sale's id>` or `<sale's id>/<channel's id>`. */
async function readGroups(client: PoolClient, subjects: string[]): Promise<Map<string, unknown>> {
  if (subjects.length === 0) return new Map();
  const { rows } = await client.query<GroupRow>(
    `SELECT subject, sale_id, channel_id, minimum, units, state, decided_at
     FROM unnest($1::text[]) AS told (subject) JOIN sale_groups
       ON sale_id = split_part(subject, '/', 1) AND channel_id = split_part(subject, '/', 2)`,
    [subjects],
  );
  const sales = new Map(await readSales(client, [...new Set(rows.map(({ sale_id }) => sale_id))]));
  return new Map(
    rows.map(({ subject, sale_id, channel_id, minimum, units, state, decided_at }) => {
      const group = {
        ...(channel_id === '' ? {} : { channelId: channel_id }),
        minimum: Number(minimum),
        units: Number(units),
        state,
        ...(decided_at === null ? {} : { decidedAt: formatInstant(decided_at) }),
      };
      return [subject, { ...sales.get(sale_id), group }];
    }),
  );
}
