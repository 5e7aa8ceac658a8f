import { Type, type Static } from 'typebox';
import { Money } from './money.ts';

// Providers choose their ids: anything printable of one line.
const ProviderId = Type.String({ pattern: '^[\\x21-\\x7e]{1,128}$' });

/** Body of `POST /v1/payments/notifications`, signed by the provider (Standard Webhooks 1.0.0). */
export const PaymentNotification = Type.Object(
  {
    type: Type.Literal('payment.succeeded'),
    /** When the provider saw it; kept, never used to decide: time is Postgres'. */
    timestamp: Type.String({ minLength: 1, maxLength: 64 }),
    data: Type.Object(
      { orderId: ProviderId, paymentId: ProviderId, amount: Money },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);
export type PaymentNotification = Static<typeof PaymentNotification>;

/**
 * `paid`: this money paid the order. `already_paid`: a repeat of the notice that did. `refund_due`: the money
 * is here and buys nothing (late, second or wrong amount). `recorded`: the order has not arrived yet; it is
 * applied when it does.
 */
export const PaymentResult = Type.Union([
  Type.Literal('paid'),
  Type.Literal('already_paid'),
  Type.Literal('refund_due'),
  Type.Literal('recorded'),
]);
export type PaymentResult = Static<typeof PaymentResult>;

export const PaymentAnswer = Type.Object({ result: PaymentResult });
export type PaymentAnswer = Static<typeof PaymentAnswer>;
