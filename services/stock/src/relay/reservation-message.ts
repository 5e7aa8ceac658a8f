import { HEADERS, ReservationCreated } from '@seckill/contracts';
import { invariant, type OutgoingMessage } from '@seckill/runtime';
import { Compile } from 'typebox/compile';
import type { Lane } from '../redis/keys.ts';
import type { OutboxEntry } from './outbox.ts';
import { parseRecord, toReservationCreated, type HoldRecord } from '../redis/hold-record.ts';

const reservationCreated = Compile(ReservationCreated);

/**
 * @throws InvariantError when the entry makes no message: our own bug, and skipping it would lose an order
 * (INV-2).
 */
export function toMessage(lane: Lane, entry: OutboxEntry): OutgoingMessage {
  const message = toReservationCreated(lane, parseRecord(entry.record));
  invariant(`${message.epoch}-${message.sequence}` === entry.id, `outbox entry ${entry.id} is another's`);
  return {
    ...toOutgoing(message),
    ...(entry.traceparent === undefined ? {} : { headers: { [HEADERS.traceparent]: entry.traceparent } }),
  };
}

/** The same message once more, from the hold itself. @throws InvariantError when the hold makes none. */
export function toRepublishedMessage(lane: Lane, record: HoldRecord): OutgoingMessage {
  return toOutgoing(toReservationCreated(lane, record));
}

function toOutgoing(message: ReservationCreated): OutgoingMessage {
  invariant(reservationCreated.Check(message), `${message.reservationId} makes no ReservationCreated`);
  return { key: message.reservationId, value: JSON.stringify(message) };
}
