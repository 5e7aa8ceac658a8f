import type { WebhookEvent } from '@seckill/contracts';
import type { PoolClient } from '@seckill/runtime';

/**
 * Keeps an event for every endpoint that wants it, in the transaction of the change it tells of: nobody is
 * told of what did not happen, and nobody misses what did (D6). Without endpoints it reads an empty table.
 * @param subjects ids of orders, or of sales.
 */
export async function keepEvents(
  client: PoolClient,
  type: WebhookEvent,
  subjects: readonly string[],
): Promise<void> {
  if (subjects.length === 0) return;
  await client.query({
    name: 'keep-events',
    text: `INSERT INTO webhook_deliveries (endpoint_id, type, subject)
      SELECT endpoint.id, $1, subject
      FROM webhook_endpoints AS endpoint, unnest($2::text[]) WITH ORDINALITY AS told (subject, place)
      WHERE endpoint.state <> 'disabled' AND $1 = ANY (endpoint.events)
      ORDER BY place`,
    values: [type, subjects],
  });
}
