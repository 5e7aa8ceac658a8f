import { Type, type Static } from 'typebox';
import { SaleId } from '../values/ids.ts';

/** How one gateway answered the reservations of a sale. */
export const SaleOutcomes = Type.Object({
  saleId: SaleId,
  /** Names the process that counted, from its start to its end. */
  gateway: Type.String(),
  /** Milliseconds of its own clock, from which only differences say something. */
  atMs: Type.Number(),
  /** Answers since it started; `replayed` are repeats of what was reserved. */
  outcomes: Type.Record(Type.String(), Type.Integer()),
});
export type SaleOutcomes = Static<typeof SaleOutcomes>;
