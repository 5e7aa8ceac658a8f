import { parseReservationId } from '@seckill/contracts';
import type { OrderRow } from '../engines/rows.ts';
import type { History } from './history.ts';
import type { Reading, SaleReading } from './reading.ts';
import type { ResaleDelays } from './resale.ts';
import { unitsOf, unitsBy, isLive, takenOf } from './units.ts';

export const INVARIANTS = {
  'INV-1': 'never oversold',
  'INV-2': 'nothing acknowledged is lost',
  'INV-3': 'conservation: available + held + paid = total, Redis = Postgres',
  'INV-4': 'same key, same answer',
  'INV-5': 'settled once, back on sale within 2 s',
  'INV-6': 'limits of buyers and channels hold',
} as const;
export type Invariant = keyof typeof INVARIANTS;

export interface Finding {
  invariant: Invariant;
  text: string;
}

/** The bound that INV-5 sets: the time from a hold's end until its units are for sale again. */
const RESALE_MS_MAX = 2_000;

/**
 * Judges what only shows at the end. The units of unpaid holds came back in time. Every order whose buyer was
 * told "paid" is paid. In a sale that far more people wanted than there were units (`crowded`) every unit is
 * paid.
 */
export function judgeResale(
  reading: Reading,
  history: History,
  delays: ResaleDelays | undefined,
  crowded: Set<string>,
): Finding[] {
  const findings: Finding[] = [];
  const report = (text: string) => {
    findings.push({ invariant: 'INV-5', text });
  };
  if (delays !== undefined && delays.provenMax > RESALE_MS_MAX) {
    report(`units were still away ${delays.provenMax} ms after their hold's end`);
  }
  for (const { definition, lane, orders } of reading.sales) {
    const endedUnpaid = orders.filter(({ status }) => status === 'expired' || status === 'cancelled').length;
    if (delays === undefined && endedUnpaid > 0) {
      report(`${definition.id}: ${endedUnpaid} holds ended unpaid, and none was seen to come back`);
    }
    for (const { sku, total, paid } of lane.items) {
      if (paid !== total && crowded.has(definition.id))
        report(`${definition.id} ${sku}: ${paid} of ${total} units ended paid`);
    }
    for (const { id, status } of orders) {
      const wasTold = history.toldPaid.has(id);
      if (wasTold && status !== 'paid') report(`${id} is ${status}, its buyer was told "paid"`);
      if (history.toldCancelled.has(id) && status !== 'cancelled') {
        report(`${id} is ${status}, its buyer was told "cancelled"`);
      }
    }
  }
  return findings;
}

/**
 * Compares the engines' contents with each other and with what the crowd was promised. An empty list means
 * that everything holds.
 */
export function judge(reading: Reading, history: History): Finding[] {
  const findings: Finding[] = [];
  for (const sale of reading.sales) {
    const report = (invariant: Invariant, text: string) => {
      findings.push({ invariant, text: `${sale.definition.id}: ${text}` });
    };
    judgeTotals(sale, report);
    judgePromises(sale, history, report);
    judgeConservation(sale, report);
    judgeKeys(sale, report);
    judgeMoney(sale, history, report);
    judgeLimits(sale, report);
  }
  if (history.unresolved.length + history.unsettled > 0) {
    const text = `${history.unresolved.length} reservations and ${history.unsettled} payments or cancels never got a definite answer`;
    findings.push({ invariant: 'INV-2', text });
  }
  for (const contradiction of history.contradictions) {
    findings.push({ invariant: 'INV-4', text: contradiction });
  }
  if (reading.deadLetters > 0) {
    findings.push({ invariant: 'INV-2', text: `${reading.deadLetters} dead letters` });
  }
  return findings;
}

type Report = (invariant: Invariant, text: string) => void;

function judgeTotals({ ledger, lane, orders, definition }: SaleReading, report: Report): void {
  if (ledger.length !== definition.items.length) report('INV-1', 'the ledger lacks an item');
  for (const { sku, total, sold } of ledger) {
    const live = unitsOf(orders.filter(isLive), sku);
    if (live > total) report('INV-1', `${sku}: ${live} live units in Postgres of ${total}`);
    if (sold !== live) report('INV-1', `${sku}: ledger says ${sold} sold, orders say ${live}`);
  }
  for (const { sku, total, held, paid } of lane.items) {
    if (held + paid > total) report('INV-1', `${sku}: ${held + paid} held or paid in Redis of ${total}`);
  }
}

function judgePromises(
  { definition, lane, orders, retakes }: SaleReading,
  history: History,
  report: Report,
): void {
  const rows = new Map(orders.map((row) => [row.id, row]));
  for (const { reservation, idempotencyKey } of history.promised.values()) {
    if (reservation.saleId !== definition.id) continue;
    const row = rows.get(reservation.id);
    if (row === undefined) report('INV-2', `${reservation.id} was promised and has no row`);
    else if (row.status === 'refused') report('INV-2', `${reservation.id} was promised and is refused`);
    else if (!describesSame(row, reservation.lines, reservation.userId, idempotencyKey)) {
      report('INV-2', `${reservation.id}: the row differs from the promise`);
    }
  }
  // Every sequence of the epoch has its row, promised or not. A gap is a reservation that got lost on its
  // way.
  const stored = new Set([...orders.map(({ epoch, sequence }) => `${epoch}-${sequence}`), ...retakes]);
  for (let sequence = 1; sequence <= lane.sequence; sequence += 1) {
    const name = `${lane.epoch}-${sequence}`;
    if (!stored.has(name)) report('INV-2', `sequence ${name} has no row`);
  }
}

function describesSame(
  row: OrderRow,
  lines: { sku: string; quantity: number }[],
  userId: string,
  idempotencyKey: string,
): boolean {
  const normal = (some: { sku: string; quantity: number }[]) =>
    JSON.stringify(some.map(({ sku, quantity }) => [sku, quantity]).sort());
  return (
    row.user_id === userId &&
    row.idempotency_key === idempotencyKey &&
    normal(row.bought ?? row.lines) === normal(lines)
  );
}

function judgeConservation({ lane, orders }: SaleReading, report: Report): void {
  const pending = orders.filter(({ status }) => status === 'pending');
  const paid = orders.filter(({ status }) => status === 'paid');
  for (const item of lane.items) {
    const sum = item.available + item.held + item.paid;
    if (sum !== item.total) report('INV-3', `${item.sku}: ${sum} units in Redis, ${item.total} in total`);
    const pendingUnits = unitsOf(pending, item.sku);
    if (item.held !== pendingUnits) {
      report('INV-3', `${item.sku}: ${item.held} held in Redis, ${pendingUnits} pending in Postgres`);
    }
    const paidUnits = unitsOf(paid, item.sku);
    if (item.paid !== paidUnits) {
      report('INV-3', `${item.sku}: ${item.paid} paid in Redis, ${paidUnits} in Postgres`);
    }
  }
  const expected = new Set(pending.map(({ id }) => parseReservationId(id)?.suffix ?? id));
  const strays = [...lane.holds].filter((suffix) => !expected.has(suffix)).length;
  const missing = [...expected].filter((suffix) => !lane.holds.has(suffix)).length;
  if (strays + missing > 0) {
    report('INV-3', `${strays} holds without a pending order, ${missing} the other way round`);
  }
}

function judgeKeys({ orders, lane }: SaleReading, report: Report): void {
  const live = orders.filter(({ status }) => status !== 'refused');
  const keys = new Set(live.map((row) => JSON.stringify([row.user_id, row.idempotency_key])));
  if (keys.size !== live.length) report('INV-4', `${live.length - keys.size} keys took a second reservation`);
  if (lane.keys !== live.length) {
    report('INV-4', `${lane.keys} keys in Redis, ${live.length} orders in Postgres`);
  }
}

/**
 * Money that the service said it has belongs to an order or is due for a refund. Money is never dropped (D7).
 */
function judgeMoney({ orders, payments }: SaleReading, history: History, report: Report): void {
  const paid = new Set(orders.filter(({ status }) => status === 'paid').map(({ id }) => id));
  const refundDue = new Set(
    payments.filter(({ result }) => result === 'refund_due').map(({ order_id }) => order_id),
  );
  for (const { id } of orders) {
    if (history.toldRecorded.has(id) && !paid.has(id) && !refundDue.has(id)) {
      report('INV-5', `${id}: its money was recorded, and is neither in the order nor due for a refund`);
    }
    if (history.toldRefund.has(id) && !refundDue.has(id)) {
      report('INV-5', `${id}: its money was to be refunded, and no refund is due`);
    }
  }
  for (const { order_id, result } of payments) {
    if (result === 'paid' && !paid.has(order_id)) report('INV-5', `${order_id}: paid for, and not paid`);
  }
}

function judgeLimits({ definition, orders, lane }: SaleReading, report: Report): void {
  const live = orders.filter(isLive);
  const byBuyer = unitsBy(live, ({ user_id }) => user_id);
  const limit = definition.limitPerBuyer ?? Infinity;
  for (const units of byBuyer.values()) {
    if (units > limit) report('INV-6', `a buyer has ${units} units, the limit is ${limit}`);
  }
  // Buyers are taken from both sides, because a count that outlives its orders would turn the buyer away.
  for (const userId of new Set([...byBuyer.keys(), ...lane.buyers.keys()])) {
    const [stored, counted] = [byBuyer.get(userId) ?? 0, lane.buyers.get(userId) ?? 0];
    if (counted !== stored) {
      report('INV-6', `a buyer has ${stored} units in Postgres, ${counted} counted in Redis`);
    }
  }
  judgeItemLimits({ definition, lane }, live, report);
  const byChannel = unitsBy(live, ({ channel_id }) => channel_id ?? '');
  for (const [id, { cap, units }] of lane.channels) {
    const stored = byChannel.get(id) ?? 0;
    if (units !== stored)
      report('INV-6', `channel ${id}: ${stored} units in Postgres, ${units} counted in Redis`);
    const declared = definition.channels.find((channel) => channel.id === id)?.cap;
    if (cap !== declared) report('INV-6', `channel ${id}: the cap in Redis is not the sale's`);
    if (declared !== undefined && stored > declared) {
      report('INV-6', `channel ${id}: ${stored} units, the cap is ${declared}`);
    }
  }
}

function judgeItemLimits(
  { definition, lane }: Pick<SaleReading, 'definition' | 'lane'>,
  live: OrderRow[],
  report: Report,
): void {
  for (const { sku, limitPerBuyer: limit } of definition.items) {
    if (limit === undefined) continue;
    const byBuyer = new Map<string, number>();
    for (const order of live) {
      byBuyer.set(order.user_id, (byBuyer.get(order.user_id) ?? 0) + takenOf(order, sku));
    }
    for (const userId of new Set([...byBuyer.keys(), ...lane.itemsOfBuyers.keys()])) {
      const stored = byBuyer.get(userId) ?? 0;
      const counted = lane.itemsOfBuyers.get(userId)?.get(sku) ?? 0;
      if (stored > limit) report('INV-6', `a buyer has ${stored} units of ${sku}, its limit is ${limit}`);
      if (counted !== stored) {
        report('INV-6', `a buyer has ${stored} units of ${sku} in Postgres, ${counted} counted in Redis`);
      }
    }
  }
}
