import { HEADERS, ReservationCreated } from '@seckill/contracts';
import { invariant, type OutgoingMessage } from '@seckill/runtime';
import { Compile } from 'typebox/compile';
import type { Lane } from './keys.ts';
import type { OutboxEntry } from './outbox.ts';
import { parseRecord, toReservationCreated } from './record.ts';

const reservationCreated = Compile(ReservationCreated);

/**
 * @throws InvariantError when the entry makes no message: our own bug, and skipping it would lose an order (INV-2).
 */
export function toMessage(lane: Lane, entry: OutboxEntry): OutgoingMessage {
  const message = toReservationCreated(lane, entry, parseRecord(entry.record));
  invariant(reservationCreated.Check(message), `outbox entry ${entry.id} makes no ReservationCreated`);
  invariant(`${message.epoch}-${message.sequence}` === entry.id, `outbox entry ${entry.id} is another's`);
  return {
    key: message.reservationId,
    value: JSON.stringify(message),
    ...(entry.traceparent === undefined ? {} : { headers: { [HEADERS.traceparent]: entry.traceparent } }),
  };
}
