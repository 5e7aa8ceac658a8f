import { parseReservationId } from '@seckill/contracts';
import { Problem, traceIdOf, type Pool } from '@seckill/runtime';

/** Something that happened to an order. */
export interface Event {
  at: Date;
  /** The service or the table that tells it. */
  from: string;
  what: string;
}

export interface OrderStory {
  events: Event[];
  /** What lines of log about the order hold: its id, and the id of its trace if it was traced. */
  names: string[];
}

/**
 * What PostgreSQL knows of an order, oldest first. An outbox row is there for an hour, a webhook's delivery
 * for a week.
 * @throws Problem `order_not_found` when the order has no row.
 */
export async function readStory(pool: Pool, orderId: string): Promise<OrderStory> {
  const { rows } = await pool.query<{ at: Date; from: string; what: string }>(
    `SELECT at, "from", what FROM (
       SELECT reserved_at AS at, 'redis' AS "from", format('reserved as %s-%s of lane %s, held until %s', epoch,
         sequence, lane, to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) AS what
         FROM orders WHERE id = $1
       UNION ALL SELECT stored_at, 'orders', 'stored' FROM orders WHERE id = $1
       UNION ALL SELECT paid_at, 'orders', 'paid' FROM orders WHERE id = $1 AND paid_at IS NOT NULL
       UNION ALL SELECT ended_at, 'orders', status || COALESCE(': ' || refusal, '')
         FROM orders WHERE id = $1 AND ended_at IS NOT NULL
       UNION ALL SELECT received_at, 'payments', format('notice of payment %s over %s %s', payment_id, amount, currency)
         FROM payments WHERE order_id = $1
       UNION ALL SELECT result_at, 'payments', format('payment %s is %s%s', payment_id, result, ': ' || refund_reason)
         FROM payments WHERE order_id = $1
       UNION ALL SELECT refunded_at, 'payments', format('payment %s was given back', payment_id)
         FROM payments WHERE order_id = $1 AND refunded_at IS NOT NULL
       UNION ALL SELECT stored_at, 'retakes', format('taken again as %s-%s: %s', epoch, sequence, verdict)
         FROM retakes WHERE order_id = $1
       UNION ALL SELECT at, 'returns', format('return %s, %s %s due', number, amount, currency)
         FROM returns WHERE order_id = $1
       UNION ALL SELECT refunded_at, 'returns', format('return %s was given back', number)
         FROM returns WHERE order_id = $1 AND refunded_at IS NOT NULL
       UNION ALL SELECT created_at, 'outbox', format('settlement written: %s', value::json ->> 'verdict')
         FROM outbox WHERE key = $1
       UNION ALL SELECT published_at, 'outbox', 'settlement sent to Kafka'
         FROM outbox WHERE key = $1 AND published_at IS NOT NULL
       UNION ALL SELECT created_at, 'webhooks', format('%s is to be told', type)
         FROM webhook_deliveries WHERE subject = $1
       UNION ALL SELECT ended_at, 'webhooks', format('%s %s after %s attempts%s', type, state, attempts,
         ', last answer ' || last_status) FROM webhook_deliveries WHERE subject = $1 AND ended_at IS NOT NULL
     ) AS event ORDER BY at`,
    [orderId],
  );
  if (rows.length === 0 || parseReservationId(orderId) === undefined) throw new Problem('order_not_found');
  const found = await pool.query<{ traceparent: string | null }>(
    'SELECT traceparent FROM orders WHERE id = $1',
    [orderId],
  );
  const traceparent = found.rows[0]?.traceparent ?? undefined;
  return { events: rows, names: [orderId, ...(traceparent === undefined ? [] : [traceIdOf(traceparent)])] };
}
