import { Type, type Static } from 'typebox';
import { ReservationId } from '../values/ids.ts';
import { LIMITS } from '../values/limits.ts';

/** Body of `POST /internal/retakes`: orders that expired, and whose money came. */
export const RetakeRequest = Type.Object(
  { reservationIds: Type.Array(ReservationId, { minItems: 1, maxItems: LIMITS.retakeBatchMax }) },
  { additionalProperties: false },
);
export type RetakeRequest = Static<typeof RetakeRequest>;

/**
 * What stock did for one order. `taken`: the units are held again, now or since an earlier call, and Kafka
 * brings the rest. `refused`: they cannot be had. `later`: it cannot be said yet, ask again.
 */
export const RetakeAnswer = Type.Object({
  result: Type.Union([Type.Literal('taken'), Type.Literal('refused'), Type.Literal('later')]),
  /** The word of retake.lua, for the log. */
  reason: Type.String(),
});
export type RetakeAnswer = Static<typeof RetakeAnswer>;

/** Answer of `POST /internal/retakes`, one for each order, in order. */
export const RetakeAnswers = Type.Array(RetakeAnswer);
