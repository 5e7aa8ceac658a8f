import { Type, type Static } from 'typebox';
import { Contact } from './contact.ts';
import { ChannelId, PickupCode, ReservationId, SaleId, Sku, UserId } from '../values/ids.ts';
import { Instant, InstantInput } from '../values/instant.ts';
import { Money } from '../values/money.ts';
import { LIMITS } from '../values/limits.ts';
import { Metadata } from '../values/metadata.ts';
import { pageCursor, PageLimit } from '../values/page.ts';
import { RefundReason } from './payment.ts';
import { Line, LineInput, OrderStatus } from './reservation.ts';
import { Reason } from '../sales/sale.ts';

/** What a payment for an order did; for operators. */
export const OrderPayment = Type.Object({
  paymentId: Type.String(),
  amount: Money,
  /** `recorded`: what it buys is not decided yet. */
  result: Type.Union([Type.Literal('paid'), Type.Literal('refund_due'), Type.Literal('recorded')]),
  /** Why the money is to be given back. */
  reason: Type.Optional(RefundReason),
  /** Since when the result is so. */
  at: Instant,
});
export type OrderPayment = Static<typeof OrderPayment>;

/** A part of a paid order that came back. */
export const ReturnedLine = Type.Object({
  sku: Sku,
  quantity: Type.Integer(),
  /** The units are for sale again; else they were written off. */
  restocked: Type.Boolean(),
  at: Instant,
});
export type ReturnedLine = Static<typeof ReturnedLine>;

/** Body of `POST /v1/orders/:orderId/returns`. */
export const ReturnRequest = Type.Object(
  {
    lines: Type.Array(LineInput, { minItems: 1, maxItems: LIMITS.linesMax }),
    /** Whether the units are for sale again. */
    restock: Type.Boolean(),
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false },
);
export type ReturnRequest = Static<typeof ReturnRequest>;

/**
 * What became of the group purchase that an order belongs to. `waiting`: it is not decided yet. `reached`:
 * there were enough units. `failed`: there were not; the order has expired, or its money is due for refund.
 */
export const GroupState = Type.Union([
  Type.Literal('waiting'),
  Type.Literal('reached'),
  Type.Literal('failed'),
]);
export type GroupState = Static<typeof GroupState>;

export const Order = Type.Object({
  id: ReservationId,
  saleId: SaleId,
  /** For operators. */
  userId: Type.Optional(UserId),
  lines: Type.Array(Line),
  channelId: Type.Optional(ChannelId),
  ref: Type.Optional(Type.String()),
  metadata: Type.Optional(Metadata),
  /** In the answer to the owner who asks for this one order, and in those to operators. */
  contact: Type.Optional(Contact),
  status: OrderStatus,
  amount: Money,
  reservedAt: Instant,
  expiresAt: Instant,
  paidAt: Type.Optional(Instant),
  endedAt: Type.Optional(Instant),
  pickupCode: Type.Optional(Type.String()),
  /** The channel that hands the order out, where it is another than `channelId`. */
  pickupChannelId: Type.Optional(ChannelId),
  /** When it was handed out. */
  pickedUpAt: Type.Optional(Instant),
  /**
   * Money of this order that buys nothing and was not given back yet. When payments came in several
   * currencies, this shows only the order's own. Each payment by itself is in the list of refunds.
   */
  refundDue: Type.Optional(Money),
  /** What came back of a paid order, the first return first. */
  returned: Type.Optional(Type.Array(ReturnedLine)),
  /** Only orders of a sale or a channel with a `groupMinimum` have a group. */
  group: Type.Optional(GroupState),
  /** For operators: every payment that named the order, the first one first. */
  payments: Type.Optional(Type.Array(OrderPayment)),
});
export type Order = Static<typeof Order>;

/** An order as the services tell it each other: its contact is sealed. */
export type SealedOrder = Omit<Order, 'contact'> & { contact?: string };

const BUYER_ORDERS = {
  saleId: Type.Optional(SaleId),
  status: Type.Optional(OrderStatus),
  limit: Type.Optional(PageLimit),
  cursor: Type.Optional(pageCursor(4 * LIMITS.reservationIdLengthMax)),
};

/** The query of a buyer's orders, as order is asked: who the buyer is stands elsewhere. */
export const BuyerOrdersQuery = Type.Object(BUYER_ORDERS, { additionalProperties: false });

/** The query of a list of orders. */
export const OrdersQuery = Type.Object(
  {
    ...BUYER_ORDERS,
    /** For operators: the orders of this buyer, over all sales. */
    userId: Type.Optional(UserId),
  },
  { additionalProperties: false },
);

/** The query of the list of a sale's orders, for operators. */
export const SaleOrdersQuery = Type.Object(
  {
    status: Type.Optional(OrderStatus),
    userId: Type.Optional(UserId),
    channelId: Type.Optional(ChannelId),
    /** Orders that have this item, also as a part of a kit. */
    sku: Type.Optional(Sku),
    /** Orders that are, or were, handed out under this code. */
    pickupCode: Type.Optional(PickupCode),
    /** Reserved from then on. */
    since: Type.Optional(InstantInput),
    /** And before then. */
    until: Type.Optional(InstantInput),
    /** Which come first; the newest, if it is absent. */
    sort: Type.Optional(Type.Union([Type.Literal('newest'), Type.Literal('oldest')])),
    limit: Type.Optional(PageLimit),
    cursor: Type.Optional(pageCursor(4 * LIMITS.reservationIdLengthMax)),
  },
  { additionalProperties: false },
);
export type SaleOrdersQuery = Static<typeof SaleOrdersQuery>;

export const OrderPage = Type.Object({
  data: Type.Array(Order),
  nextCursor: Type.Optional(Type.String()),
});
export type OrderPage = Static<typeof OrderPage>;

/** A page as the services tell it each other. */
export type SealedOrderPage = Omit<OrderPage, 'data'> & { data: SealedOrder[] };
