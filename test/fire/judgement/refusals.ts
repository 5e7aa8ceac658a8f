import type { Facts } from './verdict.ts';
import type { StoredOrder } from '../ledger-reader.ts';

/**
 * An order is refused only because something that Redis had lost came late and was in its way, or because it
 * was lost itself. Pure, as the rest of the verdict.
 */
export function judgeRefusals(facts: Facts): { excused: Set<string>; findings: string[] } {
  const { orders, lost } = facts;
  const late = orders.filter(({ id, status }) => lost.has(id) && status !== 'refused');
  const excused = new Set<string>();
  const findings: string[] = [];
  for (const order of orders.filter(({ status }) => status === 'refused')) {
    const isExcused =
      lost.has(order.id) || hasLostPlace(facts, order) || late.some((other) => isInTheWay(other, order));
    if (isExcused) excused.add(order.id);
    else
      findings.push(
        `INV-2: ${order.id} is refused (${order.refusal ?? ''}), and nothing lost was in its way`,
      );
  }
  return { excused, findings };
}

/**
 * Redis had lost the other before it promised this one, and the other was stored before this one was refused:
 * `stored_at` is when its transaction began, `refused_at` a moment within the other transaction, which waited
 * for the first.
 */
function isInTheWay(other: StoredOrder, order: StoredOrder): boolean {
  if (other.sale_id !== order.sale_id || other.epoch > order.epoch) return false;
  if (other.reserved_at > order.reserved_at) return false;
  if (order.refused_at === null || other.stored_at > order.refused_at) return false;
  const isBuyers = other.user_id === order.user_id;
  if (order.refusal === 'key_clash') return isBuyers && other.idempotency_key === order.idempotency_key;
  if (order.refusal === 'limit') {
    return isBuyers || (other.channel_id !== null && other.channel_id === order.channel_id);
  }
  const skus = new Set(order.lines.map(({ sku }) => sku));
  return order.refusal === 'ledger' && other.lines.some(({ sku }) => skus.has(sku));
}

/** A sequence that Redis gave twice belongs to a reservation, or to a retake, that it had lost. */
function hasLostPlace({ orders, retakes, lost }: Facts, order: StoredOrder): boolean {
  if (order.refusal !== 'sequence_fork') return false;
  const holders = [
    ...orders.filter(({ status }) => status !== 'refused'),
    ...retakes.map(({ order_id, ...place }) => ({ id: order_id, ...place })),
  ];
  return holders.some(
    ({ id, sale_id, lane, epoch, sequence }) =>
      lost.has(id) &&
      sale_id === order.sale_id &&
      lane === order.lane &&
      epoch === order.epoch &&
      sequence === order.sequence,
  );
}
