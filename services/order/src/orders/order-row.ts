import {
  ERASED_CONTACT,
  formatInstant,
  type GroupState,
  type Metadata,
  type Money,
  type Order,
  type OrderPayment,
  type OrderStatus,
  type ReturnedLine,
  type SealedOrder,
} from '@seckill/contracts';
import type { PoolClient } from '@seckill/runtime';
import { GROUP_OF_ORDER } from '../ledger/group-of-order.ts';

export interface OrderRow {
  id: string;
  sale_id: string;
  lines: { sku: string; quantity: number; price: number }[];
  amount: string;
  currency: string;
  channel_id: string | null;
  ref: string | null;
  metadata: Metadata | null;
  status: OrderStatus;
  reserved_at: Date;
  expires_at: Date;
  paid_at: Date | null;
  ended_at: Date | null;
  pickup_code: string | null;
  pickup_channel_id: string | null;
  picked_up_at: Date | null;
  refund_due: Money | null;
  group_state: GroupState | null;
  returns: { lines: { sku: string; quantity: number }[]; restocked: boolean; at_ms: number }[] | null;
}

/** The lines are those that were bought, and of a kit not those of its parts. */
export const ORDER_COLUMNS = `id, sale_id, COALESCE(bought, lines) AS lines, amount, currency, channel_id, ref, metadata,
  status, reserved_at, expires_at, paid_at, ended_at, pickup_code, pickup_channel_id, picked_up_at,
  (SELECT jsonb_build_object('amount', LEAST(sum(payments.amount), ${Number.MAX_SAFE_INTEGER}),
       'currency', payments.currency)
     FROM (SELECT amount, currency FROM payments
         WHERE payments.order_id = orders.id AND result = 'refund_due' AND refunded_at IS NULL
       UNION ALL
       SELECT amount, currency FROM returns
         WHERE orders.returned IS NOT NULL AND returns.order_id = orders.id AND refunded_at IS NULL) AS payments
     GROUP BY payments.currency HAVING sum(payments.amount) > 0
     ORDER BY payments.currency <> orders.currency, payments.currency LIMIT 1) AS refund_due,
  ${GROUP_OF_ORDER} AS group_state,
  CASE WHEN returned IS NOT NULL THEN (
    SELECT jsonb_agg(jsonb_build_object('lines', returns.lines, 'restocked', restocked,
        'at_ms', floor(extract(epoch FROM at) * 1000)) ORDER BY number)
      FROM returns WHERE returns.order_id = orders.id) END AS returns`;

/** With what is shown of one order to its owner, and of every order to operators. */
export interface ContactRow extends OrderRow {
  contact: string | null;
}

export const CONTACT_COLUMNS = `${ORDER_COLUMNS}, contact`;

/** What only operators see of an order. */
interface OperatorRow extends ContactRow {
  user_id: string;
  payments: {
    payment_id: string;
    amount: number;
    currency: string;
    result: OrderPayment['result'] | 'retaking';
    reason: OrderPayment['reason'] | null;
    at_ms: number;
  }[];
}

/**
 * The most payments of an order that are shown. A provider may send any number of notices, and nobody reads
 * more than these.
 */
const PAYMENTS_MAX = 100;

const OPERATOR_COLUMNS = `user_id, ${CONTACT_COLUMNS},
  (SELECT COALESCE(jsonb_agg(jsonb_build_object('payment_id', payment_id, 'amount', payment.amount,
       'currency', payment.currency, 'result', result, 'reason', refund_reason,
       'at_ms', floor(extract(epoch FROM result_at) * 1000)) ORDER BY received_at, payment.id), '[]')
     FROM (SELECT * FROM payments WHERE payments.order_id = orders.id
       ORDER BY received_at, payments.id LIMIT ${PAYMENTS_MAX}) AS payment) AS payments`;

/** @param from what stands behind FROM; its rows are those of `orders`, under this name. */
export async function readOperatorOrders(
  client: Pick<PoolClient, 'query'>,
  from: string,
  values: unknown[],
): Promise<SealedOrder[]> {
  const { rows } = await client.query<OperatorRow>(`SELECT ${OPERATOR_COLUMNS} FROM ${from}`, values);
  return rows.map(toOperatorOrder);
}

function toOperatorOrder(row: OperatorRow): SealedOrder {
  const { id, saleId, ...order } = toSealedOrder(row);
  return {
    id,
    saleId,
    userId: row.user_id,
    ...order,
    payments: row.payments.map(({ payment_id, amount, currency, result, reason, at_ms }) => ({
      paymentId: payment_id,
      amount: { amount, currency },
      // Money is recorded until it is known what it buys.
      result: result === 'retaking' ? 'recorded' : result,
      ...(reason === null || reason === undefined ? {} : { reason }),
      at: formatInstant(at_ms),
    })),
  };
}

/** Orders by id, as webhooks tell of them. Webhooks name the user, whom the receiver serves. */
export async function readOrders(
  client: PoolClient,
  ids: string[],
): Promise<[string, Omit<Order, 'contact'> & { userId: string }][]> {
  if (ids.length === 0) return [];
  const { rows } = await client.query<OrderRow & { user_id: string }>(
    `SELECT user_id, ${ORDER_COLUMNS} FROM orders WHERE id = ANY ($1::text[])`,
    [ids],
  );
  return rows.map((row) => [row.id, { ...toOrder(row), userId: row.user_id }]);
}

/** As its owner sees it when asking for this one. */
export function toSealedOrder(row: ContactRow): SealedOrder {
  const { contact } = row;
  const isThere = contact !== null && contact !== ERASED_CONTACT;
  return { ...toOrder(row), ...(isThere ? { contact } : {}) };
}

/** As its owner sees it in a list, and as webhooks tell of it: without its contact. */
export function toOrder(row: OrderRow): Omit<Order, 'contact'> {
  const { currency } = row;
  return {
    id: row.id,
    saleId: row.sale_id,
    lines: row.lines.map(({ sku, quantity, price }) => ({
      sku,
      quantity,
      price: { amount: price, currency },
    })),
    ...(row.channel_id === null ? {} : { channelId: row.channel_id }),
    ...(row.ref === null ? {} : { ref: row.ref }),
    ...(row.metadata === null ? {} : { metadata: row.metadata }),
    status: row.status,
    amount: { amount: Number(row.amount), currency },
    reservedAt: formatInstant(row.reserved_at),
    expiresAt: formatInstant(row.expires_at),
    ...(row.paid_at === null ? {} : { paidAt: formatInstant(row.paid_at) }),
    ...(row.ended_at === null ? {} : { endedAt: formatInstant(row.ended_at) }),
    ...(row.pickup_code === null ? {} : { pickupCode: row.pickup_code }),
    ...(row.pickup_channel_id === null ? {} : { pickupChannelId: row.pickup_channel_id }),
    ...(row.picked_up_at === null ? {} : { pickedUpAt: formatInstant(row.picked_up_at) }),
    ...(row.refund_due === null ? {} : { refundDue: row.refund_due }),
    ...(row.group_state === null ? {} : { group: row.group_state }),
    ...(row.returns === null ? {} : { returned: row.returns.flatMap(toReturned) }),
  };
}

function toReturned({ lines, restocked, at_ms }: NonNullable<OrderRow['returns']>[number]): ReturnedLine[] {
  return lines.map(({ sku, quantity }) => ({ sku, quantity, restocked, at: formatInstant(at_ms) }));
}
