import {
  formatInstant,
  formatReservationId,
  parseReservationId,
  type Reservation,
  type ReservationCreated,
  type SnapshotOrder,
} from '@seckill/contracts';
import { InvariantError, invariant } from '@seckill/runtime';
import type { Lane } from './keys.ts';

/**
 * The first answer to an idempotency key, as reserve.lua joins it with line feeds, which no field can hold:
 * random, fingerprint, <epoch>-<sequence>, reservedAt, expiresAt, currency, channelId, ref, then sku, quantity, price
 * of each line. About 110 bytes for one line; it says everything, so that a hold can be published again by itself.
 */
export interface ReservationRecord {
  random: string;
  fingerprint: string;
  /** Of the reservation; a lane may have been loaded under a later epoch since. */
  epoch: number;
  sequence: number;
  /** Milliseconds since the epoch, by Redis' clock. */
  reservedAt: number;
  expiresAt: number;
  currency: string;
  channelId?: string;
  ref?: string;
  lines: { sku: string; quantity: number; price: number }[];
}

const FACTS = 8;

/** @throws InvariantError when reserve.lua or load.lua cannot have written this. */
export function parseRecord(text: string): ReservationRecord {
  const [random, fingerprint, entryId, reservedAt, expiresAt, currency, channelId, ref, ...rest] =
    text.split('\n');
  invariant(random && fingerprint && entryId && currency && rest.length > 0, 'a record lacks a fact');
  invariant(rest.length % 3 === 0, 'a record breaks off within a line');
  const [epoch, sequence] = entryId.split('-');
  const lines: ReservationRecord['lines'] = [];
  for (let index = 0; index < rest.length; index += 3) {
    const [sku = '', quantity, price] = rest.slice(index, index + 3);
    lines.push({ sku, quantity: whole(quantity), price: whole(price) });
  }
  return {
    random,
    fingerprint,
    epoch: whole(epoch),
    sequence: whole(sequence),
    reservedAt: whole(reservedAt),
    expiresAt: whole(expiresAt),
    currency,
    ...(channelId ? { channelId } : {}),
    ...(ref ? { ref } : {}),
    lines,
  };
}

/** The inverse of `parseRecord`, for orders of a snapshot. */
export function formatRecord(record: ReservationRecord): string {
  const facts = [
    record.random,
    record.fingerprint,
    `${record.epoch}-${record.sequence}`,
    record.reservedAt,
    record.expiresAt,
    record.currency,
    record.channelId ?? '',
    record.ref ?? '',
    ...record.lines.flatMap(({ sku, quantity, price }) => [sku, quantity, price]),
  ];
  invariant(facts.length === FACTS + 3 * record.lines.length, 'a record has its facts in place');
  invariant(!facts.some((fact) => String(fact).includes('\n')), 'a fact holds a line feed');
  return facts.join('\n');
}

function whole(text: string | undefined): number {
  if (text === undefined || !/^\d+$/.test(text)) throw new InvariantError('a record holds no whole number');
  return Number(text);
}

/** Field of `keys`. The length in front keeps ("a:b", "c") and ("a", "b:c") apart; ids are ASCII, so it is bytes too. */
export function formatKeyField(userId: string, idempotencyKey: string): string {
  return `${userId.length}:${userId}${idempotencyKey}`;
}

/** @throws InvariantError when the field is none of ours. */
export function parseKeyField(field: string): { userId: string; idempotencyKey: string } {
  const colon = field.indexOf(':');
  const length = whole(field.slice(0, Math.max(0, colon)));
  const rest = field.slice(colon + 1);
  invariant(length > 0 && rest.length > length, 'a field of keys names user and key');
  return { userId: rest.slice(0, length), idempotencyKey: rest.slice(length) };
}

/** Properties stand in the order of the contract: a repeat gets the same bytes (INV-4). */
export function toReservation(lane: Lane, userId: string, record: ReservationRecord): Reservation {
  const { currency } = record;
  const amount = record.lines.reduce((sum, { quantity, price }) => sum + quantity * price, 0);
  return {
    id: formatReservationId({ ...lane, random: record.random }),
    saleId: lane.saleId,
    userId,
    lines: record.lines.map(({ sku, quantity, price }) => ({
      sku,
      quantity,
      price: { amount: price, currency },
    })),
    ...(record.channelId === undefined ? {} : { channelId: record.channelId }),
    ...(record.ref === undefined ? {} : { ref: record.ref }),
    status: 'pending',
    amount: { amount, currency },
    reservedAt: formatInstant(record.reservedAt),
    expiresAt: formatInstant(record.expiresAt),
  };
}

export function toReservationCreated(
  lane: Lane,
  buyer: { userId: string; idempotencyKey: string },
  record: ReservationRecord,
): ReservationCreated {
  const { random, ...facts } = record;
  return {
    reservationId: formatReservationId({ ...lane, random }),
    saleId: lane.saleId,
    lane: lane.lane,
    userId: buyer.userId,
    idempotencyKey: buyer.idempotencyKey,
    ...facts,
  };
}

/** An order of a snapshot as load.lua takes it. */
export function toLoadOrder(order: SnapshotOrder, currency: string) {
  const random = parseReservationId(order.reservationId)?.random;
  invariant(random !== undefined, 'a snapshot names orders by reservation id');
  const { fingerprint, epoch, sequence, reservedAt, expiresAt, lines, channelId, ref } = order;
  return {
    random,
    userId: order.userId,
    keyField: formatKeyField(order.userId, order.idempotencyKey),
    channelId: channelId ?? '',
    status: order.status,
    record: formatRecord({
      random,
      fingerprint,
      epoch,
      sequence,
      reservedAt,
      expiresAt,
      currency,
      lines,
      ...(channelId === undefined ? {} : { channelId }),
      ...(ref === undefined ? {} : { ref }),
    }),
    lines: lines.map(({ sku, quantity }) => ({ sku, quantity })),
  };
}
