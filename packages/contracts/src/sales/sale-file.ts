import { Type, type Static } from 'typebox';
import { SaleId } from '../values/ids.ts';
import { LIMITS } from '../values/limits.ts';
import { SaleInput, SaleItemInput } from './sale.ts';

/**
 * A sale as a file, which `npm run sale` brings about: what is sent to create a sale, and what operators
 * steer. What the file leaves out stays as it is.
 */
export const SaleFile = Type.Object(
  {
    ...SaleInput.properties,
    /** A file names its sale, so that it can be applied twice. */
    id: SaleId,
    /** `closed` is for ever. */
    state: Type.Optional(Type.Union([Type.Literal('open'), Type.Literal('paused'), Type.Literal('closed')])),
    items: Type.Array(
      Type.Object(
        { ...SaleItemInput.properties, paused: Type.Optional(Type.Boolean()) },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: LIMITS.itemsMax },
    ),
  },
  { additionalProperties: false },
);
export type SaleFile = Static<typeof SaleFile>;
