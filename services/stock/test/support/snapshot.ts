import { SNAPSHOT_FACTS, type SnapshotOrder } from '@seckill/contracts';
import type { Lane } from '../../src/redis/keys.ts';
import { parseRecord, reservationIdOf } from '../../src/redis/hold-record.ts';
import { makeRandoms } from '../../src/redis/reservation-id.ts';

/** The pending order that the intake would store of a reservation in Redis. */
export function toSnapshotOrder(lane: Lane, text: string): SnapshotOrder {
  const record = parseRecord(text);
  const { random: _random, currency: _currency, ...facts } = record;
  return {
    reservationId: reservationIdOf(lane, record),
    ...facts,
    status: 'pending',
  };
}

/** Writes the orders of a page as order's database does. */
export function formatSnapshotOrders(orders: SnapshotOrder[]): string {
  const write = (fact: SnapshotOrder[keyof SnapshotOrder] = '') =>
    typeof fact === 'object' ? JSON.stringify(fact) : String(fact);
  return orders.flatMap((order) => SNAPSHOT_FACTS.map((name) => write(order[name]))).join('\n');
}

/** Makes a reservation id as stock does. */
export function makeReservationId(lane: Lane, userId: string, idempotencyKey: string): string {
  const [random = ''] = makeRandoms(1);
  return reservationIdOf(lane, { userId, idempotencyKey, random });
}
