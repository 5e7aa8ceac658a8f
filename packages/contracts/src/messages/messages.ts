import { Type, type Static } from 'typebox';
import { LIMITS } from '../values/limits.ts';
import { Metadata } from '../values/metadata.ts';
import { ChannelId, IdempotencyKey, ReservationId, SaleId, Sku, UserId } from '../values/ids.ts';

/** Kafka headers that every message carries. */
export const HEADERS = {
  traceparent: 'traceparent',
  type: 'message-type',
  version: 'message-version',
  /**
   * Stands on a ReservationCreated that stock published again from a hold long past its end. If the order has
   * ended, order answers with the settlement again, because the settlement is what got lost.
   */
  republished: 'republished',
} as const;

/** `<epoch>-<sequence>` of a hold that was taken again for late money. */
export const RetakeName = Type.String({ pattern: '^\\d{1,15}-\\d{1,15}$' });

const MessageLine = Type.Object(
  {
    sku: Sku,
    quantity: Type.Integer({ minimum: 1, maximum: LIMITS.messageUnitsMax }),
    /** Price of one unit, in minor units. */
    price: Type.Integer({ minimum: 0, maximum: LIMITS.priceAmountMax }),
  },
  { additionalProperties: false },
);

/**
 * `seckill.reservations`, v1: all that an order row needs. Instants are milliseconds since the epoch, by
 * Redis' clock.
 */
export const ReservationCreated = Type.Object(
  {
    reservationId: ReservationId,
    saleId: SaleId,
    lane: Type.Integer({ minimum: 0, maximum: 9_999 }),
    epoch: Type.Integer({ minimum: 1 }),
    sequence: Type.Integer({ minimum: 1 }),
    userId: UserId,
    idempotencyKey: IdempotencyKey,
    /** Fingerprint of the request: lines sorted by SKU, channel, ref, metadata; base64url. */
    fingerprint: Type.String({ pattern: '^[A-Za-z0-9_-]{16,64}$' }),
    /** The units that were taken. Those of a kit are its parts'. */
    lines: Type.Array(MessageLine, { minItems: 1, maxItems: LIMITS.itemsMax }),
    /** What was bought, where a kit is among it; absent: the lines. */
    bought: Type.Optional(Type.Array(MessageLine, { minItems: 1, maxItems: LIMITS.linesMax })),
    currency: Type.String({ pattern: '^[A-Z]{3}$' }),
    channelId: Type.Optional(ChannelId),
    // Wider than the public pattern on purpose: what stock promised must be stored, whatever the edge allowed
    // that day.
    // No control character: Redis and snapshots keep the facts of an order in lines.
    ref: Type.Optional(Type.String({ minLength: 1, maxLength: 256, pattern: '^[^\\u0000-\\u001f]*$' })),
    metadata: Type.Optional(Metadata),
    /** Sealed, or erased. Wider than what is sealed today. */
    contact: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9._-]{1,8192}$' })),
    reservedAt: Type.Integer({ minimum: 0 }),
    expiresAt: Type.Integer({ minimum: 0 }),
    /**
     * The units of an expired order were taken again, because its money came late: epoch and sequence are
     * those of the retake, everything else is the reservation's (D58).
     */
    isRetake: Type.Optional(Type.Literal(true)),
  },
  { additionalProperties: false },
);
export type ReservationCreated = Static<typeof ReservationCreated>;
export const RESERVATION_CREATED = { type: 'ReservationCreated', version: '1' } as const;

/** All that came back of a paid order, as of its last return. */
export const Returned = Type.Object(
  {
    /**
     * How many returns the order had: a higher number says all of a lower one. Each takes a unit at least.
     */
    number: Type.Integer({ minimum: 1, maximum: LIMITS.linesMax * LIMITS.quantityMax }),
    lines: Type.Array(
      Type.Object(
        {
          sku: Sku,
          /** Units that came back. */
          returned: Type.Integer({ minimum: 1 }),
          /** Units of them that are for sale again. */
          restocked: Type.Integer({ minimum: 0 }),
        },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: LIMITS.itemsMax },
    ),
  },
  { additionalProperties: false },
);
export type Returned = Static<typeof Returned>;

/** `seckill.settlements`, v1: a hold's end. */
export const ReservationSettled = Type.Object(
  {
    reservationId: ReservationId,
    saleId: SaleId,
    lane: Type.Integer({ minimum: 0, maximum: 9_999 }),
    lines: Type.Array(MessageLine, { minItems: 1, maxItems: LIMITS.itemsMax }),
    verdict: Type.Union([
      Type.Literal('paid'),
      Type.Literal('cancelled'),
      Type.Literal('expired'),
      Type.Literal('refused'),
    ]),
    /** The hold that ends; absent: the first one of the order. */
    retake: Type.Optional(RetakeName),
    /** What came back of the order since it was paid. */
    returned: Type.Optional(Returned),
  },
  { additionalProperties: false },
);
export type ReservationSettled = Static<typeof ReservationSettled>;
export const RESERVATION_SETTLED = { type: 'ReservationSettled', version: '1' } as const;

/**
 * `seckill.dead-letters`: where a message that could not be understood was met, and why. The value travels as
 * it was.
 */
export interface DeadLetter {
  topic: string;
  partition: number;
  offset: string;
  error: string;
  /** Absent when the message had none. */
  key?: string;
  /**
   * The headers as they were met, so that a replay is the original message. Absent in letters written before
   * headers were kept.
   */
  headers?: Record<string, string>;
  /** The original value, base64: it may be anything. */
  value: string;
  /**
   * Key, headers and value are left out, because they are larger than the topic takes; the original is where
   * it was.
   */
  isTruncated?: boolean;
}
export const DEAD_LETTER = { type: 'DeadLetter', version: '1' } as const;
