import { HEADERS, ReservationCreated } from '@seckill/contracts';
import type { OutgoingMessage } from '@seckill/runtime';
import { Compile } from 'typebox/compile';
import type { Lane } from '../redis/keys.ts';
import { LaneContentError } from '../lane-content-error.ts';
import type { OutboxEntry } from './outbox.ts';
import { parseRecord, toReservationCreated, type HoldRecord } from '../redis/hold-record.ts';

const reservationCreated = Compile(ReservationCreated);

/** @throws LaneContentError when the entry makes no message. */
export function toMessage(lane: Lane, entry: OutboxEntry): OutgoingMessage {
  const message = toReservationCreated(lane, parseRecord(entry.record));
  if (`${message.epoch}-${message.sequence}` !== entry.id) {
    throw new LaneContentError(`outbox entry ${entry.id} is another's`);
  }
  return {
    ...toOutgoing(message),
    ...(entry.traceparent === undefined ? {} : { headers: { [HEADERS.traceparent]: entry.traceparent } }),
  };
}

/** The same message once more, from the hold itself. @throws LaneContentError when the hold makes none. */
export function toRepublishedMessage(lane: Lane, record: HoldRecord): OutgoingMessage {
  return toOutgoing(toReservationCreated(lane, record));
}

function toOutgoing(message: ReservationCreated): OutgoingMessage {
  const { reservationId } = message;
  if (!reservationCreated.Check(message)) {
    throw new LaneContentError(`${reservationId} makes no ReservationCreated`);
  }
  return { key: reservationId, value: JSON.stringify(message) };
}
