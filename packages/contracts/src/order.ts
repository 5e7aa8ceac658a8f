import { Type, type Static } from 'typebox';
import { ChannelId, ReservationId, SaleId } from './ids.ts';
import { Instant } from './instant.ts';
import { Money } from './money.ts';
import { Line } from './reservation.ts';

export const OrderStatus = Type.Union([
  Type.Literal('pending'),
  Type.Literal('paid'),
  Type.Literal('cancelled'),
  Type.Literal('expired'),
  Type.Literal('refused'),
]);
export type OrderStatus = Static<typeof OrderStatus>;

export const Order = Type.Object({
  id: ReservationId,
  saleId: SaleId,
  lines: Type.Array(Line),
  channelId: Type.Optional(ChannelId),
  ref: Type.Optional(Type.String()),
  status: OrderStatus,
  amount: Money,
  reservedAt: Instant,
  expiresAt: Instant,
  paidAt: Type.Optional(Instant),
  endedAt: Type.Optional(Instant),
  pickupCode: Type.Optional(Type.String()),
});
export type Order = Static<typeof Order>;

export const OrderPage = Type.Object({
  data: Type.Array(Order),
  nextCursor: Type.Optional(Type.String()),
});
export type OrderPage = Static<typeof OrderPage>;
