import { Type, type Static } from 'typebox';
import { Contact, ContactMac, SealedContact } from './contact.ts';
import { ChannelId, IdempotencyKey, ReservationId, SaleId, Sku, UserId } from '../values/ids.ts';
import { Instant } from '../values/instant.ts';
import { LIMITS } from '../values/limits.ts';
import { Money } from '../values/money.ts';
import { Metadata } from '../values/metadata.ts';
import type { ReserveOutcome } from '../problems/outcomes.ts';
import { plainText } from '../values/text.ts';
import { Traceparent } from '../messages/trace.ts';

export const LineInput = Type.Object(
  { sku: Sku, quantity: Type.Integer({ minimum: 1, maximum: LIMITS.quantityMax }) },
  { additionalProperties: false },
);
export type LineInput = Static<typeof LineInput>;

/** The post or shared link that brought the buyer. Partners read it in reports. */
export const Ref = Type.String({ pattern: plainText(LIMITS.refLengthMax) });

/** Body of `POST /v1/sales/:saleId/reservations`. That no SKU comes twice is checked beside the schema. */
export const ReserveRequest = Type.Object(
  {
    lines: Type.Array(LineInput, { minItems: 1, maxItems: LIMITS.linesMax }),
    channelId: Type.Optional(ChannelId),
    ref: Type.Optional(Ref),
    metadata: Type.Optional(Metadata),
    contact: Type.Optional(Contact),
  },
  { additionalProperties: false },
);
export type ReserveRequest = Static<typeof ReserveRequest>;

/** One item of the batch that gateway sends to stock. */
export const ReserveItem = Type.Object(
  {
    saleId: SaleId,
    userId: UserId,
    idempotencyKey: IdempotencyKey,
    lines: Type.Array(LineInput, { minItems: 1, maxItems: LIMITS.linesMax }),
    channelId: Type.Optional(ChannelId),
    ref: Type.Optional(Ref),
    metadata: Type.Optional(Metadata),
    contact: Type.Optional(SealedContact),
    /**
     * Codes of the same contact under the other keys: the first request may have been sealed with one of
     * them.
     */
    contactMacs: Type.Optional(Type.Array(ContactMac, { maxItems: LIMITS.contactKeysMax })),
    /**
     * The trace of this request. Each item has its own, because a batch has many requests. The trace travels
     * on to the outbox and to Kafka.
     */
    traceparent: Type.Optional(Traceparent),
    /**
     * The instant by the clock of the sale's Redis after which the buyer has been told `outcome_unknown`;
     * milliseconds. Nothing is taken after it. 0 asks for that clock: what could be had is answered `late`.
     */
    deadline: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  { additionalProperties: false },
);
export type ReserveItem = Static<typeof ReserveItem>;

export const Line = Type.Object({ sku: Sku, quantity: Type.Integer(), price: Money });
export type Line = Static<typeof Line>;

/** The 201 body. Property order is part of the contract: a repeat gets the same bytes. */
export const Reservation = Type.Object({
  id: ReservationId,
  saleId: SaleId,
  userId: UserId,
  lines: Type.Array(Line),
  channelId: Type.Optional(ChannelId),
  ref: Type.Optional(Type.String()),
  metadata: Type.Optional(Metadata),
  status: Type.Literal('pending'),
  amount: Money,
  reservedAt: Instant,
  expiresAt: Instant,
});
export type Reservation = Static<typeof Reservation>;

export const OrderStatus = Type.Union([
  Type.Literal('pending'),
  Type.Literal('paid'),
  Type.Literal('cancelled'),
  Type.Literal('expired'),
  Type.Literal('refused'),
]);
export type OrderStatus = Static<typeof OrderStatus>;

/**
 * What stock answers to one item of a batch, as the script decided. An item that is refused never fails its
 * neighbours. `sale_unavailable` with `missing` lets the gateway ask order whether there is such a sale at
 * all. A sale whose keys Redis lacks never means `sale_not_found` (docs/recovery.md). The refusals stand in
 * the order of RESERVE_OUTCOMES.
 */
export type ReserveAnswer =
  | { outcome: 'reserved'; replayed: false; reservation: Reservation }
  /** `orderStatus`: what the order is now, as far as Redis knows. PostgreSQL may know of an end before. */
  | { outcome: 'reserved'; replayed: true; reservation: Reservation; orderStatus: OrderStatus }
  | Refusal<'invalid_request', { field: string }>
  | Refusal<'overloaded'>
  | Refusal<'sale_unavailable', { missing: boolean }>
  | Refusal<'key_reused'>
  | Refusal<'sale_closed'>
  | Refusal<'sale_paused'>
  | Refusal<'sale_not_open', { opensAt: string; waitMs: number }>
  | Refusal<'sku_not_found', { sku: string; lines: FailedLine[] }>
  | Refusal<'channel_not_found'>
  | Refusal<'quantity_not_allowed', { sku: string; minimum: number; step: number; lines: FailedLine[] }>
  | Refusal<'item_paused', { sku: string; retryable: boolean; lines: FailedLine[] }>
  | Refusal<
      'sold_out',
      { sku: string; available: number; final: boolean; retryable: boolean; lines: FailedLine[] }
    >
  /**
   * `sku`: the limit is this item's; absent: the sale's. `lines`: the items whose own limits would be
   * exceeded; absent: none.
   */
  | Refusal<
      'limit_reached',
      { sku?: string; limit: number; held: number; retryable: boolean; lines?: FailedLine[] }
    >
  | Refusal<'holds_exceeded', { holdsPerBuyerMax: number }>
  | Refusal<'rejoin_later', { waitMs: number; retryable: boolean }>
  | Refusal<'channel_full', { cap: number; retryable: boolean }>
  | { outcome: 'outcome_unknown' }
  /**
   * Nothing was taken, because the deadline has passed. `now` is the clock of the sale's Redis. Only the
   * gateway hears it.
   */
  | { outcome: 'late'; now: number }
  /** This is our own bug, and surely nothing was taken. */
  | { outcome: 'internal' };

/** What a buyer may hear of it. */
export type BuyerAnswer = Exclude<ReserveAnswer, { outcome: 'late' }>;

/**
 * A line of a request that is refused, and why. `available` is absent for a SKU that the sale has not. With
 * `limit_reached` it is an item whose limit is in the way: of a kit, the part that has the limit.
 */
export interface FailedLine {
  sku: string;
  code: 'sku_not_found' | 'quantity_not_allowed' | 'item_paused' | 'sold_out' | 'limit_reached';
  available?: number;
}

/** Only an outcome that has its place in the order of precedence may be answered. */
type Refusal<Outcome extends ReserveOutcome, Extra extends object = object> = { outcome: Outcome } & Extra;
