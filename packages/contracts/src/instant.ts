import { Type } from 'typebox';

/** ISO-8601 in UTC; we write milliseconds, and accept an instant without them. */
export const Instant = Type.String({
  pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,3})?Z$',
});

/** Milliseconds since the epoch as our wire format. */
export function formatInstant(at: number | Date): string {
  return new Date(at).toISOString();
}

/** Milliseconds since the epoch, or undefined when the text names no real instant (31 February). */
export function parseInstant(text: string): number | undefined {
  const at = Date.parse(text);
  if (Number.isNaN(at)) return undefined;
  // Date.parse rolls 2026-02-31 over to March; the round trip shows it.
  return new Date(at).toISOString().slice(0, 19) === text.slice(0, 19) ? at : undefined;
}
