import { parseReservationId, RESERVATION_SETTLED, ReservationSettled } from '@seckill/contracts';
import { openEnvelope, type IncomingMessage } from '@seckill/runtime';
import { Compile } from 'typebox/compile';

const schema = Compile(ReservationSettled);

export type Parsed = { settled: ReservationSettled } | { error: string };

/** What a message says, or why it cannot be understood. Never throws. */
export function parseSettlement(message: IncomingMessage): Parsed {
  const opened = openEnvelope(message, RESERVATION_SETTLED, schema);
  if ('error' in opened) return opened;
  const { body } = opened;
  const id = parseReservationId(body.reservationId);
  if (id?.saleId !== body.saleId || id.lane !== body.lane) {
    return { error: 'the reservation id names another sale or lane' };
  }
  return { settled: body };
}
