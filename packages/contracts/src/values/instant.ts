import { Type } from 'typebox';

/** What we write: ISO-8601 in UTC with milliseconds. */
export const Instant = Type.String({
  pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,3})?Z$',
});

/**
 * What clients write: RFC 3339 with `Z` or an offset, and up to nine digits of a second, as the libraries of
 * many languages print it. What lies below a millisecond is cut off.
 */
export const InstantInput = Type.String({
  pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,9})?(Z|[+-]\\d{2}:\\d{2})$',
});

/** Milliseconds since the epoch as our wire format. */
export function formatInstant(at: number | Date): string {
  return new Date(at).toISOString();
}

/**
 * Milliseconds since the epoch, or undefined when the text names no real instant (31 February).
 * @param text fits `InstantInput`
 */
export function parseInstant(text: string): number | undefined {
  const at = Date.parse(text);
  // Date.parse rolls 2026-02-31 over to March. The same text read as UTC shows it.
  const local = text.slice(0, 19);
  if (toIso(Date.parse(`${local}Z`))?.slice(0, 19) !== local) return undefined;
  // An offset may lead out of the four digits that a year has on our wire.
  return toIso(at)?.length === WIRE_LENGTH ? at : undefined;
}

const WIRE_LENGTH = '2026-11-22T12:00:00.000Z'.length;

function toIso(at: number): string | undefined {
  return Number.isNaN(at) ? undefined : new Date(at).toISOString();
}
