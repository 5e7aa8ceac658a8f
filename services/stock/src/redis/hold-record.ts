import {
  formatInstant,
  formatReservationId,
  parseReservationId,
  type Metadata,
  type OrderStatus,
  type Reservation,
  type ReservationCreated,
  type Returned,
  type SnapshotOrder,
} from '@seckill/contracts';
import { invariant } from '@seckill/runtime';
import { fingerprintOf } from './fingerprint.ts';
import type { Lane } from './keys.ts';
import { LaneContentError } from '../lane-content-error.ts';
import { keyHashOf, splitSuffix } from './reservation-id.ts';

/**
 * A reservation, as reserve.lua joins it with line feeds, which no field can hold: userId, idempotencyKey,
 * random, <epoch>-<sequence>, reservedAt, holdMs, currency, channelId, ref, then sku, quantity, price of
 * each line, then, where a kit is among the lines, `=` and what was bought, then extra, only when there is
 * any. A kit's lines are those of the units that its parts gave, so whoever counts units knows nothing of
 * kits (D80). The record says everything, so that the first answer can be given again and a hold can be
 * published again from the record alone. For one line, with a user of 16, a key of 36 and a channel of 5
 * characters, the record is 124 bytes. With Redis' own 4 it fits into the 128 that jemalloc gives before
 * 160. For that reason the record has holdMs instead of expiresAt, and no fingerprint, which follows from
 * the rest. The sign between epoch and sequence tells how the hold ended: `-` while it lives, `t` while it
 * lives once more because late money took the units again.
 */
export interface HoldRecord {
  userId: string;
  idempotencyKey: string;
  random: string;
  /** Epoch of the reservation. A lane may have been loaded under a later epoch since. */
  epoch: number;
  sequence: number;
  /** How the hold ended; absent while it lives. */
  ended?: EndedStatus;
  /** The hold expired before, and lives again under this epoch and sequence (retake.lua). */
  isRetake?: true;
  /** Milliseconds since the epoch, by Redis' clock. */
  reservedAt: number;
  expiresAt: number;
  currency: string;
  channelId?: string;
  ref?: string;
  metadata?: Metadata;
  /** Sealed, or erased. */
  contact?: string;
  /** The units that were taken. */
  lines: RecordLine[];
  /** What was bought, where a kit is among it; else the lines say that. */
  bought?: RecordLine[];
}

type RecordLine = { sku: string; quantity: number; price: number };

const FACTS = 9;

type EndedStatus = Exclude<OrderStatus, 'pending'>;
/** The sign that settle.lua writes for each status. */
const SIGNS: Record<EndedStatus, string> = { paid: 'p', cancelled: 'c', expired: 'e', refused: 'r' };
const ENDED = new Map(Object.entries(SIGNS).map(([ended, sign]) => [sign, ended as EndedStatus]));

/** @throws LaneContentError when reserve.lua or load.lua cannot have written this. */
export function parseRecord(text: string): HoldRecord {
  const [userId, idempotencyKey, random, entryId, reservedAt, holdMs, currency, channelId, ref, ...rest] =
    text.split('\n');
  assertRecord(userId && idempotencyKey && random && entryId, 'a record lacks a fact');
  assertRecord(currency && rest.length > 0, 'a record lacks a fact');
  // Three words for each line. Most records have neither of these, and no byte for them.
  const extra = rest.at(-1)?.startsWith('{') === true ? rest.pop() : undefined;
  const bought = rest.at(-1)?.startsWith('=') === true ? rest.pop()?.slice(1).split(' ') : undefined;
  assertRecord(rest.length > 0 && rest.length % 3 === 0, 'a record breaks off within a line');
  const [, epoch, sign = '', sequence] = /^(\d+)([-tpcer])(\d+)$/.exec(entryId) ?? [];
  const ended = ENDED.get(sign);
  const from = whole(reservedAt);
  return {
    userId,
    idempotencyKey,
    random,
    epoch: whole(epoch),
    sequence: whole(sequence),
    ...(ended === undefined ? {} : { ended }),
    ...(sign === 't' ? { isRetake: true as const } : {}),
    reservedAt: from,
    expiresAt: from + whole(holdMs),
    currency,
    ...(channelId ? { channelId } : {}),
    ...(ref ? { ref } : {}),
    ...(extra === undefined ? {} : parseExtra(extra)),
    lines: parseLines(rest),
    ...(bought === undefined ? {} : { bought: parseLines(bought) }),
  };
}

/** SKU, quantity and price of each line. */
function parseLines(words: string[]): RecordLine[] {
  assertRecord(words.length % 3 === 0, 'a record breaks off within a line');
  const lines: RecordLine[] = [];
  for (let index = 0; index < words.length; index += 3) {
    lines.push({
      sku: words[index] ?? '',
      quantity: whole(words[index + 1]),
      price: whole(words[index + 2]),
    });
  }
  return lines;
}

/**
 * The inverse of `parseRecord`, for orders of a snapshot. No retake is among them: it is paid when stored.
 */
export function formatRecord(record: HoldRecord): string {
  const { userId, idempotencyKey, random, epoch, sequence, reservedAt, currency, lines } = record;
  const entryId = `${epoch}${record.ended === undefined ? '-' : SIGNS[record.ended]}${sequence}`;
  const times = `${reservedAt}\n${record.expiresAt - reservedAt}`;
  const names = `${currency}\n${record.channelId ?? ''}\n${record.ref ?? ''}`;
  // One text that grows costs half of what an array that is joined costs, and a sale has a million records.
  let text = `${userId}\n${idempotencyKey}\n${random}\n${entryId}\n${times}\n${names}`;
  for (const { sku, quantity, price } of lines) text += `\n${sku}\n${quantity}\n${price}`;
  let facts = FACTS + 3 * lines.length;
  if (record.bought !== undefined) {
    text += `\n=${record.bought.map(({ sku, quantity, price }) => `${sku} ${quantity} ${price}`).join(' ')}`;
    facts += 1;
  }
  const extra = formatExtra(record);
  if (extra !== '') {
    text += `\n${extra}`;
    facts += 1;
  }
  invariant(countLineFeeds(text) === facts - 1, 'a fact holds a line feed');
  return text;
}

function countLineFeeds(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}

/** What few reservations have. */
type Extra = Pick<HoldRecord, 'metadata' | 'contact'>;

/** As JSON, which has no line feed; '' when there is nothing. */
export function formatExtra({
  metadata,
  contact,
}: {
  [Name in keyof Extra]: Extra[Name] | undefined;
}): string {
  return metadata === undefined && contact === undefined ? '' : JSON.stringify({ metadata, contact });
}

function parseExtra(text: string): Extra {
  try {
    return JSON.parse(text) as Extra;
  } catch (error) {
    throw new LaneContentError('a record ends with what is no JSON', { cause: error });
  }
}

function whole(text: string | undefined): number {
  const number = Number(text);
  assertRecord(text && /^\d+$/.test(text) && Number.isSafeInteger(number), 'a record holds no whole number');
  return number;
}

function assertRecord(condition: unknown, message: string): asserts condition {
  if (!condition) throw new LaneContentError(message);
}

/** Whose record it is, and of which key, without reading the rest. */
export function keyOf(record: string): Pick<HoldRecord, 'userId' | 'idempotencyKey'> {
  const [userId = '', idempotencyKey = ''] = record.split('\n', 2);
  return { userId, idempotencyKey };
}

export function reservationIdOf(
  { saleId, lane }: Lane,
  { userId, idempotencyKey, random }: Pick<HoldRecord, 'userId' | 'idempotencyKey' | 'random'>,
): string {
  return formatReservationId({ saleId, lane, suffix: random + keyHashOf(userId, idempotencyKey) });
}

/** Names a hold that was taken again, as its settlement does; undefined for the first hold of an order. */
export function retakeOf({ isRetake, epoch, sequence }: HoldRecord): string | undefined {
  return isRetake === true ? `${epoch}-${sequence}` : undefined;
}

/** Properties stand in the order of the contract: a repeat gets the same bytes (INV-4). */
export function toReservation(lane: Lane, record: HoldRecord): Reservation {
  const { currency } = record;
  const lines = record.bought ?? record.lines;
  const amount = lines.reduce((sum, { quantity, price }) => sum + quantity * price, 0);
  return {
    id: reservationIdOf(lane, record),
    saleId: lane.saleId,
    userId: record.userId,
    lines: lines.map(({ sku, quantity, price }) => ({
      sku,
      quantity,
      price: { amount: price, currency },
    })),
    ...(record.channelId === undefined ? {} : { channelId: record.channelId }),
    ...(record.ref === undefined ? {} : { ref: record.ref }),
    ...(record.metadata === undefined ? {} : { metadata: record.metadata }),
    status: 'pending',
    amount: { amount, currency },
    reservedAt: formatInstant(record.reservedAt),
    expiresAt: formatInstant(record.expiresAt),
  };
}

/** What the request said. */
export function toAsked({ bought, ...record }: HoldRecord): Parameters<typeof fingerprintOf>[0] {
  return { ...record, lines: bought ?? record.lines };
}

export function toReservationCreated(lane: Lane, record: HoldRecord): ReservationCreated {
  const { random: _random, ended: _ended, isRetake, ...facts } = record;
  return {
    reservationId: reservationIdOf(lane, record),
    saleId: lane.saleId,
    lane: lane.lane,
    fingerprint: fingerprintOf(toAsked(record)),
    ...facts,
    ...(isRetake === undefined ? {} : { isRetake }),
  };
}

/** An order of a snapshot as it is loaded. */
export interface LoadOrder {
  userId: string;
  keyHash: string;
  /** '': none. */
  channelId: string;
  status: SnapshotOrder['status'];
  record: string;
  /** Milliseconds since the epoch; 0: it did not end unpaid. */
  endedAt: number;
  /** What came back of it, as return.lua takes it; '': nothing. */
  returned: string;
  lines: { sku: string; quantity: number }[];
}

/** Writes what came back as return.lua and load.lua take it. */
export function formatReturned({ number, lines }: Returned): string {
  return [number, ...lines.flatMap(({ sku, returned, restocked }) => [sku, returned, restocked])].join(' ');
}

/** Orders as load.lua takes them. */
export function toLoadArguments(orders: LoadOrder[]): (string | number)[] {
  const words: (string | number)[] = [];
  for (const { status, userId, keyHash, channelId, record, endedAt, returned, lines } of orders) {
    words.push(status, userId, keyHash, channelId, record, endedAt, returned, lines.length);
    for (const { sku, quantity } of lines) words.push(sku, quantity);
  }
  return words;
}

/** @throws InvariantError when the order's id does not belong to its user and key. */
export function toLoadOrder(order: SnapshotOrder, currency: string): LoadOrder {
  const { userId, idempotencyKey, epoch, sequence, reservedAt, expiresAt, lines, status } = order;
  const suffix = parseReservationId(order.reservationId)?.suffix;
  invariant(suffix !== undefined, 'a snapshot names orders by reservation id');
  const { random, keyHash } = splitSuffix(suffix);
  // Otherwise its settlement would find no hold, and its units would be held for ever.
  invariant(keyHash === keyHashOf(userId, idempotencyKey), 'a reservation id ends with the hash of its key');
  // Facts are set one by one: an object that is spread costs 5 µs more, for each of a million orders.
  const facts = { userId, idempotencyKey, random, epoch, sequence, reservedAt, expiresAt, currency, lines };
  const record: HoldRecord = facts;
  if (status !== 'pending') record.ended = status;
  if (order.channelId !== undefined) record.channelId = order.channelId;
  if (order.ref !== undefined) record.ref = order.ref;
  if (order.metadata !== undefined) record.metadata = order.metadata;
  if (order.contact !== undefined) record.contact = order.contact;
  if (order.bought !== undefined) record.bought = order.bought;
  const { channelId = '' } = order;
  const returned = order.returned === undefined ? '' : formatReturned(order.returned);
  const ends = { status, endedAt: endOf(order), returned };
  return { userId, keyHash, channelId, ...ends, record: formatRecord(record), lines };
}

/**
 * The instant from which a buyer's cool-down counts, as settle.lua would have noted it. 0: there is no unpaid
 * end.
 */
function endOf({ status, expiresAt, endedAt }: SnapshotOrder): number {
  if (status === 'expired') return expiresAt;
  return status === 'cancelled' ? (endedAt ?? 0) : 0;
}
