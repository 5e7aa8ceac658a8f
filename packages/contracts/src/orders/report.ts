import { Type, type Static } from 'typebox';
import { ChannelId, SaleId, Sku } from '../values/ids.ts';
import { Instant } from '../values/instant.ts';
import { Money } from '../values/money.ts';
import { RefundReason } from './payment.ts';
import { ChannelKind, Title } from '../sales/sale.ts';

/** A value for each status that an order can have. */
function byStatus<Value extends typeof Money | ReturnType<typeof Type.Integer>>(value: Value) {
  return Type.Object({ pending: value, paid: value, cancelled: value, expired: value, refused: value });
}

/** What was sold of something, in units and money. */
const SOLD = {
  /** Units of the orders, by what the orders are now. What came back of a paid order is still in `paid`. */
  units: byStatus(Type.Integer()),
  amounts: byStatus(Money),
  /** The same as `amounts.paid`. */
  amountPaid: Money,
  /** Units of paid orders that came back, and those among them that are for sale again. */
  returned: Type.Integer(),
  restocked: Type.Integer(),
  amountReturned: Money,
  /** What was paid and did not come back: a partner's commission is reckoned from it. */
  commissionBase: Money,
};

export const ReportSold = Type.Object(SOLD);
export type ReportSold = Static<typeof ReportSold>;

/** What one post or shared link brought. */
export const ReportRef = Type.Object({
  ref: Type.String(),
  paidUnits: Type.Integer(),
  amountPaid: Money,
  amountReturned: Money,
  commissionBase: Money,
});
export type ReportRef = Static<typeof ReportRef>;

const REFS = {
  /** Those that brought the most paid units first. */
  refs: Type.Array(ReportRef),
};

export const ReportItem = Type.Object({
  sku: Sku,
  title: Title,
  total: Type.Integer(),
  available: Type.Integer(),
  ...SOLD,
});
export type ReportItem = Static<typeof ReportItem>;

export const ReportChannel = Type.Object({
  id: ChannelId,
  kind: ChannelKind,
  title: Title,
  partnerId: Type.Optional(Type.String()),
  pickupPointId: Type.Optional(Type.String()),
  cap: Type.Optional(Type.Integer()),
  ...SOLD,
  ...REFS,
});
export type ReportChannel = Static<typeof ReportChannel>;

/** All channels of one partner together. */
export const ReportPartner = Type.Object({
  partnerId: Type.String(),
  channelIds: Type.Array(ChannelId),
  ...SOLD,
});
export type ReportPartner = Static<typeof ReportPartner>;

/** Units of one minute in which something happened. */
export const ReportMinute = Type.Object({
  minute: Instant,
  reserved: Type.Integer(),
  paid: Type.Integer(),
  /** Units of holds that ended unpaid: cancelled, expired or refused. */
  ended: Type.Integer(),
  /** Units of paid orders that came back. */
  returned: Type.Integer(),
});
export type ReportMinute = Static<typeof ReportMinute>;

/** Money of this sale that is to be given back or was, of one reason and currency. */
export const ReportRefunds = Type.Object({
  state: Type.Union([Type.Literal('due'), Type.Literal('done')]),
  reason: Type.Union([RefundReason, Type.Literal('no_order_yet')]),
  count: Type.Integer(),
  amount: Money,
});
export type ReportRefunds = Static<typeof ReportRefunds>;

/**
 * What was sold in a sale, for operators: everything of one snapshot of PostgreSQL. For each item `total -
 * available = units.pending + units.paid - restocked`.
 */
export const SaleReport = Type.Object({
  saleId: SaleId,
  /** What was stored before is in the report. */
  asOf: Instant,
  totals: Type.Object({
    total: Type.Integer(),
    available: Type.Integer(),
    ...SOLD,
    /** Refunds that wait. */
    refundDue: Type.Integer(),
  }),
  items: Type.Array(ReportItem),
  /** Every channel of the sale, also one that sold nothing. */
  channels: Type.Array(ReportChannel),
  /** Orders that came through no channel. */
  direct: Type.Object({ ...SOLD, ...REFS }),
  partners: Type.Array(ReportPartner),
  perMinute: Type.Array(ReportMinute),
  refunds: Type.Array(ReportRefunds),
  /** Rows that there are and that are not listed, because a report lists only so many. */
  leftOut: Type.Object({ refs: Type.Integer(), minutes: Type.Integer() }),
});
export type SaleReport = Static<typeof SaleReport>;

/** Which rows of a report a CSV file has. */
export const ReportTable = Type.Union([
  Type.Literal('channels'),
  Type.Literal('items'),
  Type.Literal('partners'),
  Type.Literal('refs'),
  Type.Literal('minutes'),
  Type.Literal('refunds'),
]);
export type ReportTable = Static<typeof ReportTable>;

/** Asks for CSV, as `Accept: text/csv` does. A link in a page cannot send that header. */
export const CsvFormat = Type.Literal('csv');

export const ReportQuery = Type.Object(
  {
    format: Type.Optional(CsvFormat),
    /** The table that a CSV file has. Absent: `channels`. */
    table: Type.Optional(ReportTable),
  },
  { additionalProperties: false },
);
