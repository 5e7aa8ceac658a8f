import type { OrderStatus, RefundReason } from '@seckill/contracts';
import { invariant, transaction, type Pool, type PoolClient } from '@seckill/runtime';
import {
  applyPayments,
  identify,
  type Application,
  type Applied,
  type Notice,
  type Payment,
} from './payment.ts';
import { GROUP_OF_ORDER } from '../ledger/group-of-order.ts';
import { endOrders } from '../ledger/settlement.ts';

/**
 * Any number, the same in every process. Intake transactions share this lock, from before their first look
 * until their commit. Whoever stores an early notice holds the lock alone. So either the notice sees the
 * row, or the intake sees the notice, and no order needs a lock before it exists (D25).
 */
const EARLY_NOTICE_LOCK_KEY = 5_471_338;
/**
 * A batch of the intake takes about 50 ms. New batches wait behind this lock, so we give up before they do.
 */
const EARLY_NOTICE_LOCK_MS = 2_000;

/**
 * Another such number. Intake transactions share this lock too, and one that stores retakes holds it alone.
 * Orders and retakes share their sequences, but no unique index spans the two tables. So of two transactions
 * that store both at once, the second finds what the first stored (D87).
 */
const RETAKE_LOCK_KEY = 5_471_339;

/** The first statement in a transaction of the intake, which holds no other lock yet. */
export async function takeIntakeLocks(client: PoolClient, hasRetakes: boolean): Promise<void> {
  await client.query(
    hasRetakes
      ? 'SELECT pg_advisory_xact_lock_shared($1), pg_advisory_xact_lock($2)'
      : 'SELECT pg_advisory_xact_lock_shared($1), pg_advisory_xact_lock_shared($2)',
    [EARLY_NOTICE_LOCK_KEY, RETAKE_LOCK_KEY],
  );
}

/**
 * Stores the notice, and applies it if its order is there.
 * @returns undefined when there is no order yet. Then nothing is stored.
 */
export async function applyNotice(client: PoolClient, notice: Notice): Promise<Application | undefined> {
  // The order is locked first. Notices of one order come one after another, and the end of the order is
  // decided below.
  const { rowCount } = await client.query('SELECT FROM orders WHERE id = $1 FOR UPDATE', [notice.orderId]);
  if (rowCount === 0) return undefined;
  const [stored] = await storeNotices(client, [notice]);
  if (stored !== undefined && stored.application.result !== 'recorded') return stored.application;
  const applied = await applyEarlyNotices(client, [notice.orderId]);
  return applied.find((one) => identify(one) === identify(notice))?.application;
}

/**
 * Stores notices that came before their orders.
 * @returns false for each notice whose order has arrived meanwhile. That notice is to be applied.
 */
export async function storeEarlyNotices(pool: Pool, notices: Notice[]): Promise<boolean[]> {
  return transaction(pool, async (client) => {
    await client.query(`SET LOCAL lock_timeout = ${EARLY_NOTICE_LOCK_MS}`);
    await client.query('SELECT pg_advisory_xact_lock($1)', [EARLY_NOTICE_LOCK_KEY]);
    const { rows } = await client.query<{ id: string }>('SELECT id FROM orders WHERE id = ANY ($1::text[])', [
      notices.map(({ orderId }) => orderId),
    ]);
    const arrived = new Set(rows.map(({ id }) => id));
    await storeNotices(
      client,
      notices.filter(({ orderId }) => !arrived.has(orderId)),
    );
    return notices.map(({ orderId }) => !arrived.has(orderId));
  });
}

/** Stores a notice that pays for what was never one of our orders. The money is due for refund. */
export async function refundNotice(pool: Pool, notice: Notice): Promise<Application> {
  return transaction(pool, async (client) => {
    const [stored] = await storeNotices(client, [notice]);
    if (stored?.application.result === 'refund_due') return stored.application;
    const application = { result: 'refund_due', isNew: true, reason: 'unknown_order' } as const;
    await updatePayments(client, [{ ...notice, application }]);
    return application;
  });
}

interface PaymentRow {
  payment_id: string;
  order_id: string;
  amount: string;
  currency: string;
}

interface StoredRow extends PaymentRow {
  result: 'paid' | 'refund_due' | 'recorded' | 'retaking';
  refund_reason: RefundReason | null;
}

/**
 * Counts a repeat. What was decided about it stays. Rows are written in the order of their key, so no two
 * transactions deadlock.
 */
async function storeNotices(client: PoolClient, notices: Notice[]): Promise<Applied[]> {
  if (notices.length === 0) return [];
  const { rows } = await client.query<StoredRow>(
    `INSERT INTO payments (payment_id, order_id, amount, currency, provider_timestamp, notices, result)
     SELECT payment_id, order_id, amount, currency, min(provider_timestamp), count(*), 'recorded'
     FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[])
       AS notice (payment_id, order_id, amount, currency, provider_timestamp)
     GROUP BY payment_id, order_id, amount, currency
     ORDER BY payment_id COLLATE "C", order_id COLLATE "C", amount, currency
     ON CONFLICT (payment_id, order_id, amount, currency) DO UPDATE
       SET notices = payments.notices + EXCLUDED.notices, last_received_at = now()
     RETURNING payment_id, order_id, amount, currency, result, refund_reason`,
    [
      notices.map(({ paymentId }) => paymentId),
      notices.map(({ orderId }) => orderId),
      notices.map(({ amount }) => amount),
      notices.map(({ currency }) => currency),
      notices.map(({ providerTimestamp }) => providerTimestamp),
    ],
  );
  return rows.map((row) => ({ ...toPayment(row), application: toApplication(row) }));
}

/** Tells what an earlier notice has made of the payment. */
function toApplication({ result, refund_reason: reason }: StoredRow): Application {
  if (reason !== null) return { result: 'refund_due', isNew: false, reason };
  return result === 'paid' || result === 'retaking' ? { result, isNew: false } : { result: 'recorded' };
}

interface UnappliedRow extends PaymentRow {
  order_status: OrderStatus;
  order_amount: string;
  order_currency: string;
  may_retake: boolean;
  has_group_failed: boolean;
}

/**
 * Applies the notices that are stored for these orders and not applied yet, oldest first. The caller has
 * locked or inserted the orders, so expiry cannot act before.
 */
export async function applyEarlyNotices(client: PoolClient, orderIds: string[]): Promise<Applied[]> {
  if (orderIds.length === 0) return [];
  const { rows } = await client.query<UnappliedRow>(
    `SELECT payment_id, order_id, payments.amount, payments.currency, orders.status AS order_status,
       orders.amount AS order_amount, orders.currency AS order_currency,
       COALESCE(sales.definition ->> 'lateMoney' = 'retake', false) AND sales.retired_at IS NULL AS may_retake,
       COALESCE(${GROUP_OF_ORDER} = 'failed', false) AS has_group_failed
     FROM payments JOIN orders ON orders.id = payments.order_id JOIN sales ON sales.id = orders.sale_id
     WHERE payments.result = 'recorded' AND payments.order_id = ANY ($1::text[])
     ORDER BY received_at, payment_id, order_id, payments.amount, payments.currency
     FOR UPDATE OF payments`,
    [orderIds],
  );
  if (rows.length === 0) return [];
  const applied = applyPayments(
    rows.map((row) => ({
      ...toPayment(row),
      order: {
        status: row.order_status,
        amount: Number(row.order_amount),
        currency: row.order_currency,
        mayRetake: row.may_retake,
        hasGroupFailed: row.has_group_failed,
      },
    })),
  );
  const paid = applied.filter(({ application }) => application.result === 'paid');
  const ids = paid.map(({ orderId }) => orderId);
  const ended = await endOrders(client, ids, 'paid');
  invariant(ended.length === ids.length, 'an order ended under the lock of its payment');
  await updatePayments(client, applied);
  return applied;
}

/**
 * Pays new orders as far as that can be done now. What was recorded for an order pays it. An order that
 * costs nothing is paid by a payment of 0 of our own, because no provider sends one. This happens in the
 * transaction that stores the orders, so no hold of theirs can expire.
 * @param orders inserted by the caller, with their amounts in minor units. Refused ones are left as they
 * are.
 */
export async function payNewOrders(
  client: PoolClient,
  orders: { id: string; amount: number }[],
): Promise<Applied[]> {
  const applied = await applyEarlyNotices(
    client,
    orders.map(({ id }) => id),
  );
  const freeIds = orders.filter(({ amount }) => amount === 0).map(({ id }) => id);
  if (freeIds.length === 0) return applied;
  // An early notice of 0 may have paid one already.
  const { rows } = await client.query<{ id: string; currency: string }>(
    `SELECT id, currency FROM orders WHERE id = ANY ($1::text[]) AND status = 'pending' AND amount = 0
       AND ${GROUP_OF_ORDER} IS DISTINCT FROM 'failed'`,
    [freeIds],
  );
  await storeNotices(
    client,
    rows.map(({ id, currency }) => ({
      paymentId: `free-${id}`,
      orderId: id,
      amount: 0,
      currency,
      providerTimestamp: 'free',
    })),
  );
  const confirmed = await applyEarlyNotices(
    client,
    rows.map(({ id }) => id),
  );
  return [...applied, ...confirmed];
}

/**
 * Decides about the late money of orders whose rows the caller holds. The oldest payment of an order that is
 * paid pays it, and the rest is due for refund.
 * @param paidIds orders that are paid by it; of all others no payment buys anything.
 */
export async function applyLateMoney(
  client: PoolClient,
  orderIds: string[],
  paidIds: ReadonlySet<string>,
): Promise<Applied[]> {
  if (orderIds.length === 0) return [];
  const { rows } = await client.query<PaymentRow>(
    `SELECT payment_id, order_id, amount, currency FROM payments
     WHERE result = 'retaking' AND order_id = ANY ($1::text[])
     ORDER BY received_at, payment_id, order_id FOR UPDATE`,
    [orderIds],
  );
  const paid = new Set<string>();
  const applied = rows.map((row): Applied => {
    const payment = toPayment(row);
    const { orderId } = payment;
    if (!paidIds.has(orderId) || paid.has(orderId)) {
      const reason = paid.has(orderId) ? 'second_payment' : 'order_ended';
      return { ...payment, application: { result: 'refund_due', isNew: true, reason } };
    }
    paid.add(orderId);
    return { ...payment, application: { result: 'paid', isNew: true } };
  });
  invariant(paid.size === paidIds.size, 'late money vanished under the lock of its order');
  await updatePayments(client, applied);
  return applied;
}

async function updatePayments(client: PoolClient, applied: Applied[]): Promise<void> {
  await client.query(
    `UPDATE payments SET result = applied.result, refund_reason = applied.reason, result_at = clock_timestamp()
     FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[])
       AS applied (payment_id, order_id, amount, currency, result, reason)
     WHERE payments.payment_id = applied.payment_id AND payments.order_id = applied.order_id
       AND payments.amount = applied.amount AND payments.currency = applied.currency`,
    [
      applied.map(({ paymentId }) => paymentId),
      applied.map(({ orderId }) => orderId),
      applied.map(({ amount }) => amount),
      applied.map(({ currency }) => currency),
      applied.map(({ application }) => application.result),
      applied.map(({ application }) => (application.result === 'refund_due' ? application.reason : null)),
    ],
  );
}

function toPayment({ payment_id, order_id, amount, currency }: PaymentRow): Payment {
  return { paymentId: payment_id, orderId: order_id, amount: Number(amount), currency };
}
