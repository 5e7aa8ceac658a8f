import { Type, type Static } from 'typebox';
import { SaleId } from '../values/ids.ts';
import { Instant, InstantInput } from '../values/instant.ts';
import { Money } from '../values/money.ts';
import { pageCursor, PageLimit } from '../values/page.ts';
import { plainText } from '../values/text.ts';

/** Providers choose their ids: anything printable of one line. */
export const ProviderId = Type.String({ pattern: '^[\\x21-\\x7e]{1,128}$' });

/**
 * Body of `POST /v1/payments/notifications`, signed by the provider (Standard Webhooks 1.0.0). Other fields
 * are ignored, and what does not fit is kept with its bytes: after the signature every notice is money.
 */
export const PaymentNotification = Type.Object({
  type: Type.Literal('payment.succeeded'),
  /**
   * When the provider saw the payment. The time is kept and never used to decide, because Postgres' time
   * decides.
   */
  timestamp: Type.String({ minLength: 1, maxLength: 64 }),
  data: Type.Object({
    orderId: ProviderId,
    paymentId: ProviderId,
    amount: Type.Object({
      amount: Type.Integer({ minimum: 0 }),
      currency: Type.String({ pattern: '^[A-Z]{3}$' }),
    }),
  }),
});
export type PaymentNotification = Static<typeof PaymentNotification>;

/**
 * `paid`: this money paid the order. `already_paid`: a repeat of the notice that did. `refund_due`: the money
 * is here and buys nothing (late, second or wrong amount). `recorded`: the order has not arrived yet; it is
 * applied when it does. `ignored`: a notice of another type. `kept`: not understood, and kept for a person.
 */
export const PaymentResult = Type.Union([
  Type.Literal('paid'),
  Type.Literal('already_paid'),
  Type.Literal('refund_due'),
  Type.Literal('recorded'),
  Type.Literal('ignored'),
  Type.Literal('kept'),
]);
export type PaymentResult = Static<typeof PaymentResult>;

export const PaymentAnswer = Type.Object({ result: PaymentResult });
export type PaymentAnswer = Static<typeof PaymentAnswer>;

/** Why money is to be given back. docs/operating/refunds-and-dead-letters.md says what to do. */
export const RefundReason = Type.Union([
  Type.Literal('wrong_amount'),
  Type.Literal('order_ended'),
  Type.Literal('second_payment'),
  /** Used before a payment could pay several orders: the payment had paid another one. */
  Type.Literal('other_order'),
  Type.Literal('unknown_order'),
  /** The order never came, and a person gave the money back. */
  Type.Literal('order_missing'),
  /** Units of a paid order came back. */
  Type.Literal('returned'),
  /** The group purchase of a paid order failed. */
  Type.Literal('group_failed'),
]);
export type RefundReason = Static<typeof RefundReason>;

/** A reference that a person made. */
export const Reference = Type.String({ pattern: plainText(200) });

export const Refund = Type.Object({
  id: Type.String(),
  orderId: Type.String(),
  paymentId: Type.String(),
  amount: Money,
  /**
   * `no_order_yet`: the money waits for an order that has not come. What becomes of the money is not certain
   * yet.
   */
  reason: Type.Union([RefundReason, Type.Literal('no_order_yet')]),
  state: Type.Union([Type.Literal('due'), Type.Literal('done')]),
  since: Instant,
  /** How often the provider sent the notice; 0 of money for units that came back. */
  notices: Type.Integer(),
  doneAt: Type.Optional(Instant),
  reference: Type.Optional(Type.String()),
});
export type Refund = Static<typeof Refund>;

const PAGE = { limit: Type.Optional(PageLimit), cursor: Type.Optional(pageCursor(100)) };

/** The query of the list of refunds. */
export const RefundsQuery = Type.Object(
  {
    state: Type.Optional(Type.Union([Type.Literal('due'), Type.Literal('done')])),
    saleId: Type.Optional(SaleId),
    /** The money was due from then on. */
    since: Type.Optional(InstantInput),
    /** And before then. */
    until: Type.Optional(InstantInput),
    ...PAGE,
  },
  { additionalProperties: false },
);

export const RefundPage = Type.Object({
  data: Type.Array(Refund),
  nextCursor: Type.Optional(Type.String()),
});
export type RefundPage = Static<typeof RefundPage>;

/** Body of `POST /v1/refunds/:refundId/done`. */
export const RefundDone = Type.Object({ reference: Reference }, { additionalProperties: false });
export type RefundDone = Static<typeof RefundDone>;

/** A signed notice that could not be understood. */
export const KeptNotice = Type.Object({
  id: Type.String(),
  webhookId: Type.String(),
  reason: Type.String(),
  state: Type.Union([Type.Literal('kept'), Type.Literal('replayed'), Type.Literal('done')]),
  receivedAt: Instant,
  /** How often the provider sent the notice. */
  deliveries: Type.Integer(),
  /** The bytes as they came, in base64. */
  body: Type.String(),
  stateAt: Instant,
  /** What the replay answered. */
  result: Type.Optional(PaymentResult),
  reference: Type.Optional(Type.String()),
});
export type KeptNotice = Static<typeof KeptNotice>;

/** The query of the list of kept notices. */
export const NoticesQuery = Type.Object(
  {
    state: Type.Optional(Type.Union([Type.Literal('kept'), Type.Literal('replayed'), Type.Literal('done')])),
    /** The notice was received from then on. */
    since: Type.Optional(InstantInput),
    /** And before then. */
    until: Type.Optional(InstantInput),
    ...PAGE,
  },
  { additionalProperties: false },
);

export const KeptNoticePage = Type.Object({
  data: Type.Array(KeptNotice),
  nextCursor: Type.Optional(Type.String()),
});
export type KeptNoticePage = Static<typeof KeptNoticePage>;
