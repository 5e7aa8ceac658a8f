import { HEADERS, parseReservationId, RESERVATION_SETTLED, ReservationSettled } from '@seckill/contracts';
import type { IncomingMessage } from '@seckill/runtime';
import { Compile } from 'typebox/compile';

const schema = Compile(ReservationSettled);

export type Parsed = { settled: ReservationSettled } | { error: string };

/** What a message says, or why it cannot be understood. Never throws: a poison message must not stop its partition. */
export function parseSettlement({ value, headers }: IncomingMessage): Parsed {
  const type = headers[HEADERS.type];
  const version = headers[HEADERS.version];
  if (type !== RESERVATION_SETTLED.type || version !== RESERVATION_SETTLED.version) {
    return { error: `expected ${RESERVATION_SETTLED.type} v1, met ${type ?? 'no type'} v${version ?? '?'}` };
  }
  const body = parseJson(value);
  if (body === undefined) return { error: 'the value is not JSON' };
  if (!schema.Check(body)) {
    const [first] = schema.Errors(body);
    return { error: `schema: ${first?.instancePath ?? ''} ${first?.message ?? 'does not match'}` };
  }
  const id = parseReservationId(body.reservationId);
  if (id?.saleId !== body.saleId || id.lane !== body.lane) {
    return { error: 'the reservation id names another sale or lane' };
  }
  return { settled: body };
}

function parseJson(value: Buffer | undefined): unknown {
  try {
    return value === undefined ? undefined : (JSON.parse(value.toString('utf8')) as unknown);
  } catch {
    return undefined;
  }
}
