import { Type, type Static } from 'typebox';
import { Instant, InstantInput } from '../values/instant.ts';
import { LIMITS } from '../values/limits.ts';
import { pageCursor, PageLimit } from '../values/page.ts';
import { plainText } from '../values/text.ts';

/** Where a dead letter lies in its topic, which is its name: partition and offset. */
export const DeadLetterId = Type.String({ pattern: '^[0-9]{1,5}-[0-9]{1,18}$' });

/** `done`: a person says that nothing is left to do, whether the message was replayed or never can be. */
export const DeadLetterState = Type.Union([
  Type.Literal('waiting'),
  Type.Literal('replayed'),
  Type.Literal('done'),
]);
export type DeadLetterState = Static<typeof DeadLetterState>;

/** A message that a service could not understand or store, without its bytes: what a person looks through. */
export const ParkedMessage = Type.Object({
  id: DeadLetterId,
  state: DeadLetterState,
  /** Where the message was met. */
  topic: Type.String(),
  partition: Type.Integer(),
  offset: Type.String(),
  /**
   * The key of the message, which for an order or a settlement is the order's id. Empty: the message had no
   * key. A longer key is cut at 500 characters.
   */
  key: Type.String(),
  error: Type.String(),
  /** The message was too large for a letter, so it cannot be replayed. */
  isTruncated: Type.Optional(Type.Boolean()),
  parkedAt: Instant,
  replayedAt: Type.Optional(Instant),
  doneAt: Type.Optional(Instant),
  /** Who marked the letter as done. */
  doneBy: Type.Optional(Type.String()),
  doneReason: Type.Optional(Type.String()),
});
export type ParkedMessage = Static<typeof ParkedMessage>;

/** Body of `POST /v1/dead-letters/:letterId/done`: why nothing is left to do. */
export const DeadLetterDone = Type.Object(
  { reason: Type.String({ pattern: plainText(LIMITS.reasonLengthMax) }) },
  { additionalProperties: false },
);
export type DeadLetterDone = Static<typeof DeadLetterDone>;

/** The query of the list of dead letters. */
export const DeadLettersQuery = Type.Object(
  {
    state: Type.Optional(DeadLetterState),
    /** Parked from then on. */
    since: Type.Optional(InstantInput),
    /** And before then. */
    until: Type.Optional(InstantInput),
    limit: Type.Optional(PageLimit),
    cursor: Type.Optional(pageCursor(100)),
  },
  { additionalProperties: false },
);

export const ParkedMessagePage = Type.Object({
  data: Type.Array(ParkedMessage),
  nextCursor: Type.Optional(Type.String()),
});
export type ParkedMessagePage = Static<typeof ParkedMessagePage>;
