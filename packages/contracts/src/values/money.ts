import { Type, type Static } from 'typebox';
import { LIMITS } from './limits.ts';

/** Integer minor units (fen for CNY), never a fraction. */
export const Money = Type.Object(
  {
    amount: Type.Integer({ minimum: 0 }),
    currency: Type.String({ pattern: '^[A-Z]{3}$' }),
  },
  { additionalProperties: false },
);
export type Money = Static<typeof Money>;

/** What an operator may ask per unit: bounded, so that any sum stays exact. */
export const Price = Type.Object(
  {
    amount: Type.Integer({ minimum: 0, maximum: LIMITS.priceAmountMax }),
    currency: Type.String({ pattern: '^[A-Z]{3}$' }),
  },
  { additionalProperties: false },
);
