import { refuse } from '../invalid-request.ts';

/** Where a list by time goes on. The next page begins behind this row. */
export interface PageCursor {
  /** Microseconds since 1970, as Postgres counts. The number is a text, because it is only handed through. */
  at: string;
  id: string;
}

const CURSOR = /^(\d{1,17}) (\d{1,18})$/;

export function formatPageCursor({ at, id }: PageCursor): string {
  return Buffer.from(`${at} ${id}`).toString('base64url');
}

/** @throws Problem `invalid_request` when the cursor is not one of ours. */
export function parsePageCursor(cursor: string): PageCursor {
  const [, at, id] = CURSOR.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (at === undefined || id === undefined) refuse('cursor_foreign', 'cursor');
  return { at, id };
}

/** SQL for the microseconds of a column, and for the instant that a cursor's microseconds name. */
export const microsecondsOf = (column: string) => `(extract(epoch FROM ${column}) * 1000000)::bigint::text`;
export const instantOf = (parameter: string) =>
  `timestamptz 'epoch' + ${parameter}::bigint * interval '1 microsecond'`;
