import { parseReservationId } from '../values/ids.ts';
import { formatInstant } from '../values/instant.ts';

/** Where a page of orders ends: the next one continues with what was reserved earlier. */
export interface OrderPosition {
  /** The instant as it is on the wire, in UTC with milliseconds. */
  reservedAt: string;
  id: string;
}

/** The year 9999, the last that an instant on our wire can name. */
const INSTANT_MAX = 253_402_300_799_999;
const CURSOR = /^(\d{1,15}) (\S{1,128})$/;

export function formatOrderCursor({ reservedAt, id }: OrderPosition): string {
  return Buffer.from(`${Date.parse(reservedAt)} ${id}`).toString('base64url');
}

/** Undefined for what is no cursor of ours. */
export function parseOrderCursor(cursor: string): OrderPosition | undefined {
  const [, at, id = ''] = CURSOR.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  // Both values are such as a row may have, so that nothing else reaches Postgres.
  if (at === undefined || Number(at) > INSTANT_MAX || parseReservationId(id) === undefined) return undefined;
  return { reservedAt: formatInstant(Number(at)), id };
}

/** Newest first; of the same millisecond the higher id. */
export function compareNewestFirst(one: OrderPosition, other: OrderPosition): number {
  if (one.reservedAt !== other.reservedAt) return one.reservedAt < other.reservedAt ? 1 : -1;
  return one.id === other.id ? 0 : one.id < other.id ? 1 : -1;
}
