import { Type } from 'typebox';

/** The query of every list. A query is text, and nothing is coerced: 1 to 100, written one way only. */
export const PageLimit = Type.String({ pattern: '^([1-9][0-9]?|100)$' });

/** What the page before answered as `nextCursor`; opaque. */
export function pageCursor(lengthMax: number) {
  return Type.String({ minLength: 1, maxLength: lengthMax });
}
