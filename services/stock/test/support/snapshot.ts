import { formatReservationId, type SnapshotOrder } from '@seckill/contracts';
import type { Lane } from '../../src/keys.ts';
import { parseKeyField, parseRecord } from '../../src/record.ts';

/** The pending order that the intake would store of a reservation in Redis. */
export function toSnapshotOrder(lane: Lane, keyField: string, text: string): SnapshotOrder {
  const { random, currency: _currency, ...facts } = parseRecord(text);
  return {
    reservationId: formatReservationId({ ...lane, random }),
    ...parseKeyField(keyField),
    ...facts,
    status: 'pending',
  };
}
