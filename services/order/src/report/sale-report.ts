import {
  detailOf,
  formatInstant,
  type Money,
  type OrderStatus,
  type ReportRef,
  type ReportSold,
  type SaleReport,
} from '@seckill/contracts';
import { Problem } from '@seckill/runtime';
import type { RefCell, ReportReading, ReturnedCell, SoldCell } from './report-reading.ts';

interface Cells {
  sold: SoldCell[];
  returned: ReturnedCell[];
}

/**
 * Adds up what was read, by item, channel and partner, and over all.
 * @throws Problem `internal` when a sum of money is too large to be told exactly.
 */
export function makeReport(saleId: string, reading: ReportReading): SaleReport {
  const { definition, ledger, refs, minutes, refunds } = reading;
  // A sale has one currency, and one item at least.
  const currency = definition.items[0]?.price.currency ?? '';
  const pick = (isWanted: (cell: { sku: string; channelId: string | null }) => boolean) =>
    toSold({ sold: reading.sold.filter(isWanted), returned: reading.returned.filter(isWanted) }, currency);
  const byChannel = groupByChannel(reading);
  const soldBy = (ids: (string | null)[]) => {
    const cells = ids.map((id) => byChannel.get(id) ?? { sold: [], returned: [] });
    return toSold(
      { sold: cells.flatMap(({ sold }) => sold), returned: cells.flatMap(({ returned }) => returned) },
      currency,
    );
  };
  const refsOf = (id: string | null) =>
    refs.listed.filter(({ channelId }) => channelId === id).map((ref) => toRef(ref, currency));
  const stock = new Map(ledger.map(({ sku, total, sold }) => [sku, { total, available: total - sold }]));
  const sumOf = (field: 'total' | 'available') =>
    [...stock.values()].reduce((sum, row) => sum + row[field], 0);
  const due = refunds.filter(({ state }) => state === 'due');
  return {
    saleId,
    asOf: formatInstant(reading.asOf),
    totals: {
      total: sumOf('total'),
      available: sumOf('available'),
      ...pick(() => true),
      refundDue: due.reduce((sum, { count }) => sum + count, 0),
    },
    // A kit has its money here, and its units stand with its parts.
    items: [...definition.items, ...(definition.kits ?? [])].map(({ sku, title }) => ({
      sku,
      title,
      ...(stock.get(sku) ?? { total: 0, available: 0 }),
      ...pick((cell) => cell.sku === sku),
    })),
    channels: definition.channels.map(({ id, kind, title, partnerId, pickupPointId, cap }) => ({
      id,
      kind,
      title,
      ...(partnerId === undefined ? {} : { partnerId }),
      ...(pickupPointId === undefined ? {} : { pickupPointId }),
      ...(cap === undefined ? {} : { cap }),
      ...soldBy([id]),
      refs: refsOf(id),
    })),
    direct: { ...soldBy([null]), refs: refsOf(null) },
    partners: [...channelsByPartner(definition.channels)].map(([partnerId, channelIds]) => ({
      partnerId,
      channelIds,
      ...soldBy(channelIds),
    })),
    perMinute: minutes.listed.map(({ at, ...units }) => ({ minute: formatInstant(at), ...units })),
    refunds: refunds.map(({ state, reason, count, amount, ...of }) => ({
      state,
      reason,
      count,
      amount: moneyOf(amount, of.currency),
    })),
    leftOut: { refs: refs.count - refs.listed.length, minutes: minutes.count - minutes.listed.length },
  };
}

function groupByChannel({ sold, returned }: Cells): Map<string | null, Cells> {
  const groups = new Map<string | null, Cells>();
  const groupOf = (id: string | null) => {
    const group = groups.get(id) ?? { sold: [], returned: [] };
    groups.set(id, group);
    return group;
  };
  for (const cell of sold) groupOf(cell.channelId).sold.push(cell);
  for (const cell of returned) groupOf(cell.channelId).returned.push(cell);
  return groups;
}

function channelsByPartner(channels: { id: string; partnerId?: string }[]): Map<string, string[]> {
  const partners = new Map<string, string[]>();
  for (const { id, partnerId } of channels) {
    if (partnerId !== undefined) partners.set(partnerId, [...(partners.get(partnerId) ?? []), id]);
  }
  return partners;
}

function toSold({ sold, returned }: Cells, currency: string): ReportSold {
  const money = (amount: number) => moneyOf(amount, currency);
  const sumOf = (status: OrderStatus, field: 'units' | 'amount') =>
    sold.reduce((sum, cell) => (cell.status === status ? sum + cell[field] : sum), 0);
  const byStatus = <Value>(of: (status: OrderStatus) => Value) => ({
    pending: of('pending'),
    paid: of('paid'),
    cancelled: of('cancelled'),
    expired: of('expired'),
    refused: of('refused'),
  });
  const paid = sumOf('paid', 'amount');
  const back = returned.reduce((sum, cell) => sum + cell.amount, 0);
  return {
    units: byStatus((status) => sumOf(status, 'units')),
    amounts: byStatus((status) => money(sumOf(status, 'amount'))),
    amountPaid: money(paid),
    returned: returned.reduce((sum, cell) => sum + cell.units, 0),
    restocked: returned.reduce((sum, cell) => sum + cell.restocked, 0),
    amountReturned: money(back),
    commissionBase: money(paid - back),
  };
}

function toRef({ ref, paidUnits, amount, amountReturned }: RefCell, currency: string): ReportRef {
  return {
    ref,
    paidUnits,
    amountPaid: moneyOf(amount, currency),
    amountReturned: moneyOf(amountReturned, currency),
    commissionBase: moneyOf(amount - amountReturned, currency),
  };
}

/**
 * A number that was rounded is told to nobody. Limits do not bound these sums: 10,000,000 units of one item
 * at the highest price are 10^16, more than 2^53, and units of holds that ended are sold again. Addends are
 * never below 0, so whichever of them or of their sums was rounded leads to a sum beyond the bound. Units
 * need no such check: the 10^13 orders that would take are stored nowhere.
 */
function moneyOf(amount: number, currency: string): Money {
  if (!Number.isSafeInteger(amount)) throw new Problem('internal', { detail: detailOf('sum_not_exact') });
  return { amount, currency };
}
