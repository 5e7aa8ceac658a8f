import {
  HEADERS,
  LIMITS,
  parseReservationId,
  RESERVATION_CREATED,
  ReservationCreated,
} from '@seckill/contracts';
import { keyHashOf, openEnvelope, sampledTraceparent, type IncomingMessage } from '@seckill/runtime';
import { Compile } from 'typebox/compile';

const schema = Compile(ReservationCreated);

/**
 * Our wire format has four digits for the year. A row beyond the year 9999 could be stored, but it could
 * never be shown.
 */
export const INSTANT_MAX = Date.UTC(9999, 11, 31);

export type Reserved = ReservationCreated & {
  /** The amount of all that was bought, in minor units. */
  amount: number;
  /** Stock published it again, because its hold is long past its end and was never settled. */
  isRepublished: boolean;
  /** Where its trace goes on; absent of an order that is not traced. */
  traceparent?: string;
};

export type Parsed = { reserved: Reserved } | { error: string };

/** Tells what a message says, or why it cannot be understood. Never throws. */
export function parseReservation(message: IncomingMessage): Parsed {
  const opened = openEnvelope(message, RESERVATION_CREATED, schema);
  if ('error' in opened) return opened;
  const checked = check(opened.body, message.headers[HEADERS.republished] === '1');
  const traceparent = sampledTraceparent(message.headers[HEADERS.traceparent]);
  if ('reserved' in checked && traceparent !== undefined) checked.reserved.traceparent = traceparent;
  return checked;
}

function check(created: ReservationCreated, isRepublished: boolean): Parsed {
  const id = parseReservationId(created.reservationId);
  if (id?.saleId !== created.saleId || id.lane !== created.lane) {
    return { error: 'the reservation id names another sale or lane' };
  }
  // A settlement would find no hold under such an id, and no snapshot with it can be loaded.
  if (!id.suffix.endsWith(keyHashOf(created.userId, created.idempotencyKey))) {
    return { error: 'the reservation id ends with another buyer and key' };
  }
  const amount = (created.bought ?? created.lines).reduce(
    (sum, { price, quantity }) => sum + price * quantity,
    0,
  );
  const numbers = [amount, created.epoch, created.sequence];
  if (!numbers.every(Number.isSafeInteger)) return { error: 'a number is beyond 2^53' };
  if (created.epoch > LIMITS.epochMax) return { error: `epoch ${created.epoch} is not one of ours` };
  if (Math.max(created.reservedAt, created.expiresAt) > INSTANT_MAX)
    return { error: 'an instant is beyond the year 9999' };
  return { reserved: { ...created, amount, isRepublished } };
}
