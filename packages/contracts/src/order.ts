import { Type, type Static } from 'typebox';
import { ChannelId, ReservationId, SaleId } from './ids.ts';
import { Instant } from './instant.ts';
import { Money } from './money.ts';
import { LIMITS } from './limits.ts';
import { Metadata } from './metadata.ts';
import { pageCursor, PageLimit } from './page.ts';
import { Line, OrderStatus } from './reservation.ts';

export const Order = Type.Object({
  id: ReservationId,
  saleId: SaleId,
  lines: Type.Array(Line),
  channelId: Type.Optional(ChannelId),
  ref: Type.Optional(Type.String()),
  metadata: Type.Optional(Metadata),
  status: OrderStatus,
  amount: Money,
  reservedAt: Instant,
  expiresAt: Instant,
  paidAt: Type.Optional(Instant),
  endedAt: Type.Optional(Instant),
  pickupCode: Type.Optional(Type.String()),
  /**
   * Money of this order that buys nothing and was not given back yet. When payments came in several
   * currencies, this shows only the order's own. Each payment by itself is in the list of refunds.
   */
  refundDue: Type.Optional(Money),
});
export type Order = Static<typeof Order>;

/** The query of a list of orders. */
export const OrdersQuery = Type.Object(
  {
    saleId: Type.Optional(SaleId),
    status: Type.Optional(OrderStatus),
    limit: Type.Optional(PageLimit),
    cursor: Type.Optional(pageCursor(4 * LIMITS.reservationIdLengthMax)),
  },
  { additionalProperties: false },
);

export const OrderPage = Type.Object({
  data: Type.Array(Order),
  nextCursor: Type.Optional(Type.String()),
});
export type OrderPage = Static<typeof OrderPage>;
