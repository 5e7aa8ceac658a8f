import {
  HEADERS,
  LIMITS,
  parseReservationId,
  RESERVATION_CREATED,
  ReservationCreated,
} from '@seckill/contracts';
import type { IncomingMessage } from '@seckill/runtime';
import { Compile } from 'typebox/compile';

const schema = Compile(ReservationCreated);

/** Our wire format has four digits for the year: a row beyond it could be stored, but never be shown again. */
export const INSTANT_MAX = Date.UTC(9999, 11, 31);

export type Reserved = ReservationCreated & {
  /** Minor units of all lines. */
  amount: number;
  /** Stock published it again, because its hold is long past its end and was never settled. */
  isRepublished: boolean;
};

export type Parsed = { reserved: Reserved } | { error: string };

/** What a message says, or why it cannot be understood. Never throws: a poison message must not stop its partition. */
export function parseReservation({ value, headers }: IncomingMessage): Parsed {
  const type = headers[HEADERS.type];
  const version = headers[HEADERS.version];
  if (type !== RESERVATION_CREATED.type || version !== RESERVATION_CREATED.version) {
    return { error: `expected ${RESERVATION_CREATED.type} v1, met ${type ?? 'no type'} v${version ?? '?'}` };
  }
  const body = parseJson(value);
  if (body === undefined) return { error: 'the value is not JSON' };
  if (!schema.Check(body)) {
    const [first] = schema.Errors(body);
    return { error: `schema: ${first?.instancePath ?? ''} ${first?.message ?? 'does not match'}` };
  }
  return check(body, headers[HEADERS.republished] === '1');
}

function check(created: ReservationCreated, isRepublished: boolean): Parsed {
  const id = parseReservationId(created.reservationId);
  if (id?.saleId !== created.saleId || id.lane !== created.lane) {
    return { error: 'the reservation id names another sale or lane' };
  }
  const amount = created.lines.reduce((sum, { price, quantity }) => sum + price * quantity, 0);
  const numbers = [amount, created.epoch, created.sequence];
  if (!numbers.every(Number.isSafeInteger)) return { error: 'a number is beyond 2^53' };
  if (created.epoch > LIMITS.epochMax) return { error: `epoch ${created.epoch} is not one of ours` };
  if (Math.max(created.reservedAt, created.expiresAt) > INSTANT_MAX)
    return { error: 'an instant is beyond the year 9999' };
  return { reserved: { ...created, amount, isRepublished } };
}

function parseJson(value: Buffer | undefined): unknown {
  try {
    return value === undefined ? undefined : (JSON.parse(value.toString('utf8')) as unknown);
  } catch {
    return undefined;
  }
}
