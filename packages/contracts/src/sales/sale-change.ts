import { Type, type Static } from 'typebox';
import { UserId } from '../values/ids.ts';
import { Instant } from '../values/instant.ts';
import { pageCursor, PageLimit } from '../values/page.ts';

export const SaleAction = Type.Union([
  Type.Literal('create'),
  Type.Literal('change'),
  Type.Literal('pause'),
  Type.Literal('resume'),
  Type.Literal('close'),
  Type.Literal('restock'),
  Type.Literal('adjust'),
  Type.Literal('pause_item'),
  Type.Literal('resume_item'),
  Type.Literal('cancel_order'),
  Type.Literal('return_order'),
  Type.Literal('move_order'),
]);
export type SaleAction = Static<typeof SaleAction>;

const Values = Type.Record(Type.String(), Type.Unknown());

/** What an operator did with a sale, or with an order of it. */
export const SaleChange = Type.Object({
  at: Instant,
  /** The operator's user id; absent where an older gateway did not tell it. */
  by: Type.Optional(UserId),
  action: SaleAction,
  reason: Type.Optional(Type.String()),
  /** The values that were changed, as they were. */
  before: Values,
  /** The same values, as they are since. */
  after: Values,
  /** The version that the change made. What is done with an order makes none, and names that of the sale. */
  version: Type.Integer({ minimum: 1 }),
});
export type SaleChange = Static<typeof SaleChange>;

/** The query of the list of changes. */
export const ChangesQuery = Type.Object(
  { limit: Type.Optional(PageLimit), cursor: Type.Optional(pageCursor(18)) },
  { additionalProperties: false },
);

export const SaleChangePage = Type.Object({
  data: Type.Array(SaleChange),
  nextCursor: Type.Optional(Type.String()),
});
export type SaleChangePage = Static<typeof SaleChangePage>;
