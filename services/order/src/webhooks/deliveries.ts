import {
  formatInstant,
  type WebhookDelivery,
  type WebhookDeliveryPage,
  type WebhookDeliveryState,
  type WebhookEvent,
} from '@seckill/contracts';
import { Problem, type Pool } from '@seckill/runtime';
import { formatPageCursor, parsePageCursor } from '../pages/page-cursor.ts';
import { toPage } from '../pages/page.ts';

interface DeliveryRow {
  id: string;
  webhook_id: string;
  type: WebhookEvent;
  subject: string;
  state: WebhookDeliveryState;
  attempts: number;
  created_at: Date;
  next_attempt_at: Date;
  ended_at: Date | null;
  last_status: number | null;
  last_error: string | null;
}

const COLUMNS = `id, webhook_id, type, subject, state, attempts, created_at, next_attempt_at, ended_at,
  last_status, last_error`;
const WEBHOOK_ID = /^msg_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;

export interface DeliveryQuery {
  state?: WebhookDeliveryState | undefined;
  limit: number;
  cursor?: string | undefined;
}

/** What endpoints were told, and what they are still to be told. */
export class WebhookDeliveries {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /**
   * Lists the newest first.
   * @throws Problem `webhook_endpoint_not_found`; `invalid_request` when the cursor is not one of ours.
   */
  async list(endpointId: string, { state, limit, cursor }: DeliveryQuery): Promise<WebhookDeliveryPage> {
    const before = cursor === undefined ? undefined : parsePageCursor(cursor).id;
    await this.#assertEndpoint(endpointId);
    const { rows } = await this.#pool.query<DeliveryRow>(
      `SELECT ${COLUMNS} FROM webhook_deliveries
       WHERE endpoint_id = $1 AND ($2::text IS NULL OR state = $2) AND ($3::bigint IS NULL OR id < $3)
       ORDER BY id DESC LIMIT $4`,
      [endpointId, state ?? null, before ?? null, limit + 1],
    );
    const page = toPage(rows, limit, ({ id }) => formatPageCursor({ at: '0', id }));
    return { ...page, data: page.data.map(toDelivery) };
  }

  /**
   * Sends once more, whatever became of it before, under the same id and with the same body. One that is
   * pending is tried at once.
   * @throws Problem `webhook_endpoint_not_found`, `webhook_delivery_not_found`
   */
  async replay(endpointId: string, deliveryId: string): Promise<WebhookDelivery> {
    await this.#assertEndpoint(endpointId);
    const [, webhookId] = WEBHOOK_ID.exec(deliveryId) ?? [];
    if (webhookId === undefined) throw new Problem('webhook_delivery_not_found');
    // The attempts are not counted anew, because an attempt under way knows by its number whether its end
    // counts.
    const { rows } = await this.#pool.query<DeliveryRow>(
      `UPDATE webhook_deliveries SET state = 'pending', ended_at = NULL, next_attempt_at = clock_timestamp(),
         give_up_at = clock_timestamp() + interval '3 days'
       WHERE endpoint_id = $1 AND webhook_id = $2 RETURNING ${COLUMNS}`,
      [endpointId, webhookId],
    );
    if (rows[0] === undefined) throw new Problem('webhook_delivery_not_found');
    return toDelivery(rows[0]);
  }

  async #assertEndpoint(id: string): Promise<void> {
    const { rowCount } = await this.#pool.query('SELECT FROM webhook_endpoints WHERE id = $1', [id]);
    if (rowCount === 0) throw new Problem('webhook_endpoint_not_found');
  }
}

function toDelivery(row: DeliveryRow): WebhookDelivery {
  return {
    id: `msg_${row.webhook_id}`,
    type: row.type,
    subject: row.subject,
    state: row.state,
    attempts: row.attempts,
    createdAt: formatInstant(row.created_at),
    ...(row.state === 'pending' ? { nextAttemptAt: formatInstant(row.next_attempt_at) } : {}),
    ...(row.state === 'delivered' && row.ended_at !== null
      ? { deliveredAt: formatInstant(row.ended_at) }
      : {}),
    ...(row.last_status === null ? {} : { lastStatus: row.last_status }),
    ...(row.last_error === null ? {} : { lastError: row.last_error }),
  };
}
