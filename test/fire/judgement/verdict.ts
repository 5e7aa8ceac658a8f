/**
 * What must and must not be, once everything is healed and at rest, beyond the six invariants of the audit.
 * The functions are pure, so that a test can bend each fact.
 */
import type { LedgerRow } from '../../../bench/src/engines/rows.ts';
import type { Payment, Wish } from '../crowd.ts';
import type { StoredOrder, StoredPayment, StoredRetake } from '../ledger-reader.ts';
import type { Pause, TakenBack } from '../operator.ts';

/** The rows of the ledger by sale. */
export type Ledgers = Map<string, LedgerRow[]>;

export interface Facts {
  orders: StoredOrder[];
  payments: StoredPayment[];
  retakes: StoredRetake[];
  /** Keys that were answered 201, by reservation. */
  kept: Map<string, Wish>;
  denied: Wish[];
  told: Payment[];
  returned: ReadonlyMap<string, TakenBack>;
  pauses: Pause[];
  notFound: Set<string>;
  /** Reservations that stood only in the outbox when Redis lost it. */
  lost: Set<string>;
}

/** The probes of the nemesis and the buyers of the last units are nobody's promise. */
const isCrowd = ({ user_id }: StoredOrder): boolean => user_id.startsWith('u');
const nameOf = (saleId: string, userId: string, key: string): string => JSON.stringify([saleId, userId, key]);

/** INV-4, the other way round: a key that heard "no" has taken nothing, and no order is nobody's. */
export function judgeKeysHeard({ orders, kept, denied, lost }: Facts): string[] {
  const no = new Set(denied.map(({ saleId, userId, key }) => nameOf(saleId, userId, key)));
  return orders.filter(isCrowd).flatMap(({ id, sale_id, user_id, idempotency_key, status }) => {
    // A hold that Redis lost may reach PostgreSQL late, after its key heard something else.
    if (lost.has(id) || status === 'refused') return [];
    const name = nameOf(sale_id, user_id, idempotency_key);
    if (no.has(name)) return [`INV-4: ${id} is ${status}, and its key heard "no"`];
    return kept.has(id) ? [] : [`INV-4: ${id} is ${status}, and nobody was told of it`];
  });
}

/** Each payment is in its order, due for refund, or kept while its order does not exist. */
export function judgeMoneyKept({ orders, payments, told, returned }: Facts): string[] {
  const findings: string[] = [];
  const stored = new Map(orders.map((order) => [order.id, order]));
  const nameOfPayment = (id: string, order: string, amount: number) => `${id} ${order} ${amount}`;
  const rows = new Map(payments.map((one) => [nameOfPayment(one.payment_id, one.order_id, one.amount), one]));
  for (const { paymentId, orderId, amount, result } of told) {
    const row = rows.get(nameOfPayment(paymentId, orderId, amount));
    if (row === undefined) findings.push(`money: ${paymentId} was answered ${result} and is gone`);
  }
  const paidBy = new Map<string, number>();
  for (const { payment_id, order_id, amount, result } of payments) {
    const order = stored.get(order_id);
    if (result === 'paid') {
      paidBy.set(order_id, (paidBy.get(order_id) ?? 0) + 1);
      if (order?.status !== 'paid') findings.push(`money: ${payment_id} paid ${order_id}, which is not paid`);
      if (order?.amount !== amount)
        findings.push(`money: ${payment_id} paid ${amount}, not the order's amount`);
    } else if (result !== 'refund_due' && order !== undefined) {
      findings.push(`money: ${payment_id} of ${order_id} (${order.status}) stays ${result}`);
    }
  }
  for (const { id, status, amount, returns, due } of orders) {
    if (status === 'paid' && paidBy.get(id) !== 1) {
      findings.push(`money: ${id} is paid by ${paidBy.get(id) ?? 0} payments`);
    }
    if (due > amount) findings.push(`money: ${due} are due of ${id}, which cost ${amount}`);
    const told = returned.get(id) ?? { count: 0, due: 0 };
    if (returns !== told.count)
      findings.push(`money: ${returns} returns of ${id}, ${told.count} were asked for`);
    if (due !== told.due)
      findings.push(`money: ${due} are due of ${id}, and ${told.due} is what came back by its price`);
  }
  return findings;
}

/**
 * Nothing is reserved while a sale, or an item, is paused. Pauses are told by the same clock as reservations:
 * this machine's.
 */
export function judgePauses({ orders, pauses, lost }: Facts): string[] {
  return pauses.flatMap(({ saleId, sku, from, until }) =>
    orders
      .filter((order) => order.sale_id === saleId && !lost.has(order.id))
      .filter(({ lines }) => sku === undefined || lines.some((line) => line.sku === sku))
      .filter(({ reserved_at }) => reserved_at.getTime() > from && reserved_at.getTime() < until)
      .map(({ id }) => `pause: ${id} was reserved while ${sku ?? saleId} was paused`),
  );
}

/**
 * A reservation stays in the outbox until Kafka has confirmed it. One that came to Kafka from its hold alone
 * had left the outbox too soon: it was found again, minutes later on a system with default settings. While
 * Kafka is away for long, a hold may be published before its entry, which comes all the same.
 */
export function judgeOutbox(fromHolds: ReadonlySet<string>, lost: ReadonlySet<string>): string[] {
  return [...fromHolds]
    .filter((id) => !lost.has(id))
    .map((id) => `INV-2: ${id} left the outbox before Kafka had it`);
}

/** Restocks and adjustments count once each, whoever was killed meanwhile. */
export function judgeTotals(ledgers: Ledgers, totals: ReadonlyMap<string, number>): string[] {
  return [...ledgers].flatMap(([saleId, ledger]) =>
    ledger.flatMap(({ sku, total }) => {
      const wanted = totals.get(`${saleId} ${sku}`);
      return wanted === undefined || wanted === total
        ? []
        : [`totals: ${saleId} ${sku} has ${total}, operators were told ${wanted}`];
    }),
  );
}

/** Whoever was promised an order finds it. */
export function judgeFound({ notFound, lost }: Facts): string[] {
  return [...notFound].filter((id) => !lost.has(id)).map((id) => `INV-2: ${id} was promised and not found`);
}

const MUST_PRECEDE: [earlier: string, later: string][] = [
  ['order.paid', 'order.returned'],
  ['order.expired', 'order.paid'],
];

/** Webhooks: at least once, and in order per order. @returns what is missing or out of order. */
export function judgeWebhooks(orders: StoredOrder[], told: Map<string, string[]>): string[] {
  return orders.flatMap(({ id, status, returns }) => {
    const heard = told.get(id) ?? [];
    const wanted = status === 'pending' ? [] : [`order.${status}`];
    if (returns > 0) wanted.push('order.returned');
    const missing = wanted.filter((type) => !heard.includes(type));
    const disordered = MUST_PRECEDE.filter(([earlier, later]) => {
      const [first, second] = [heard.indexOf(earlier), heard.indexOf(later)];
      return first >= 0 && second >= 0 && first > second;
    });
    return [
      ...missing.map((type) => `webhook: ${id} is ${status}, and ${type} was not told`),
      ...disordered.map(([earlier, later]) => `webhook: ${id}: ${later} was told before ${earlier}`),
    ];
  });
}

/**
 * Webhooks of a sale. The opening is told once. That a sale is sold out is told at least once, because units
 * that come back may be sold out again.
 */
export function judgeSalesTold(saleIds: string[], ledgers: Ledgers, told: Map<string, string[]>): string[] {
  return saleIds.flatMap((id) => {
    const heard = told.get(id) ?? [];
    const openings = heard.filter((type) => type === 'sale.opened').length;
    const ledger = ledgers.get(id) ?? [];
    const isSoldOut = ledger.length > 0 && ledger.every(({ total, sold }) => sold === total);
    return [
      ...(openings === 1 ? [] : [`webhook: ${id}: sale.opened was told ${openings} times`]),
      ...(isSoldOut && !heard.includes('sale.sold_out')
        ? [`webhook: ${id} is sold out, and sale.sold_out was not told`]
        : []),
    ];
  });
}
