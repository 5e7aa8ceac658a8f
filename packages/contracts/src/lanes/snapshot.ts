import { Type, type Static } from 'typebox';
import type { ControlState } from './control.ts';
import { ReservationId } from '../values/ids.ts';
import { LIMITS } from '../values/limits.ts';
import { RetakeName, type Returned } from '../messages/messages.ts';
import type { Metadata } from '../values/metadata.ts';

/** An order as load.lua needs it: the buyer's units and the first answer to the key. */
export interface SnapshotOrder {
  reservationId: string;
  /**
   * Epoch of the reservation itself, not of the snapshot. The hold of the reservation may have to be
   * published again.
   */
  epoch: number;
  sequence: number;
  userId: string;
  idempotencyKey: string;
  lines: { sku: string; quantity: number; price: number }[];
  channelId?: string;
  ref?: string;
  metadata?: Metadata;
  /** Sealed, or erased. */
  contact?: string;
  reservedAt: number;
  expiresAt: number;
  status: 'pending' | 'paid' | 'cancelled' | 'expired';
  /** When it was cancelled or expired, by Postgres' clock. */
  endedAt?: number;
  /** What came back of it since it was paid. */
  returned?: Returned;
  /** What was bought, where a kit is among it; absent: the lines. */
  bought?: SnapshotOrder['lines'];
}

/**
 * The facts of an order in a SnapshotPage, one a line in this order. PostgreSQL joins them, and nobody reads
 * them before stock does. As an object of JSON an order took 3 µs more of PostgreSQL, 3 of order and 1 of
 * stock.
 */
export const SNAPSHOT_FACTS = [
  ...(['reservationId', 'epoch', 'sequence', 'userId', 'idempotencyKey', 'lines', 'channelId'] as const),
  ...([
    'ref',
    'metadata',
    'contact',
    'reservedAt',
    'expiresAt',
    'status',
    'endedAt',
    'returned',
    'bought',
  ] as const),
] satisfies (keyof SnapshotOrder)[];

/** `<lane>.<epoch>.<sequence>` of an order: pages of orders go by it. Only order reads it. */
export const OrderCursor = Type.String({ pattern: '^\\d{1,4}\\.\\d{1,15}\\.\\d{1,15}$' });
export type OrderCursor = Static<typeof OrderCursor>;

/**
 * The first transaction of Postgres that a snapshot may not have seen. What ended since is what later
 * transactions wrote.
 */
export const SnapshotHorizon = Type.String({ pattern: '^\\d{1,20}$' });
export type SnapshotHorizon = Static<typeof SnapshotHorizon>;

/**
 * The end of each partition of `seckill.reservations`, by its number: the offset of the next message. Order
 * answers only once the intake has stored everything before them, so that nothing promised is on its way any
 * more.
 */
export const KafkaEnds = Type.Array(Type.String({ pattern: '^\\d{1,19}$' }), { maxItems: 1_024 });
export type KafkaEnds = Static<typeof KafkaEnds>;

/** Body of `POST /internal/sales/:saleId/snapshots`. */
export const SnapshotRequest = Type.Object(
  {
    /**
     * The epoch the lane stands at; absent: 0. The snapshot's epoch is higher, even when Postgres was
     * restored from before it.
     */
    above: Type.Optional(Type.Integer({ minimum: 0, maximum: LIMITS.epochMax })),
    /** May be absent for a sale that never opened, so that one can be created while Kafka is away. */
    ends: Type.Optional(KafkaEnds),
  },
  { additionalProperties: false },
);
export type SnapshotRequest = Static<typeof SnapshotRequest>;

/** Some orders of a snapshot; at most LIMITS.rebuildPageMax. */
export interface SnapshotPage {
  /** SNAPSHOT_FACTS of each order, all of them joined by line feeds; '' where an order lacks a fact. */
  orders: string;
  /** There are more: `GET /internal/sales/:saleId/snapshots?after=<this>`. */
  after?: OrderCursor;
}

/**
 * The orders of a page. No fact holds a line feed, so a page whose lines do not come out even is none.
 * @throws SyntaxError when it is none.
 */
export function parseSnapshotOrders(text: string): SnapshotOrder[] {
  if (text === '') return [];
  const facts = text.split('\n');
  if (facts.length % SNAPSHOT_FACTS.length !== 0) throw new SyntaxError('an order lacks a fact');
  // Most orders of a sale have one of a few baskets, and parsing takes longer than all the rest.
  const baskets = new Map<string, SnapshotOrder['lines']>();
  const orders: SnapshotOrder[] = [];
  for (let at = 0; at < facts.length; at += SNAPSHOT_FACTS.length) {
    const [reservationId = '', epoch, sequence, userId = '', idempotencyKey = '', basket = '', ...rest] =
      facts.slice(at, at + SNAPSHOT_FACTS.length);
    const [channelId, ref, metadata, contact, reservedAt, expiresAt, status, endedAt, returned, bought] =
      rest;
    let lines = baskets.get(basket);
    if (lines === undefined) {
      lines = JSON.parse(basket) as SnapshotOrder['lines'];
      baskets.set(basket, lines);
    }
    const order: SnapshotOrder = {
      reservationId,
      epoch: Number(epoch),
      sequence: Number(sequence),
      userId,
      idempotencyKey,
      lines,
      reservedAt: Number(reservedAt),
      expiresAt: Number(expiresAt),
      status: status as SnapshotOrder['status'],
    };
    if (channelId) order.channelId = channelId;
    if (ref) order.ref = ref;
    if (metadata) order.metadata = JSON.parse(metadata) as Metadata;
    if (contact) order.contact = contact;
    if (endedAt) order.endedAt = Number(endedAt);
    if (returned) order.returned = JSON.parse(returned) as Returned;
    if (bought) order.bought = JSON.parse(bought) as SnapshotOrder['lines'];
    orders.push(order);
  }
  return orders;
}

/** Answer of `POST /internal/sales/:saleId/snapshots`: order raised the epoch and tells what the sale is. */
export interface Snapshot extends SnapshotPage {
  epoch: number;
  control: ControlState;
  since: SnapshotHorizon;
}

/**
 * Body of `POST /internal/sales/:saleId/openings`: what the lane holds, loaded or found again, before it
 * opens.
 */
export const OpeningRequest = Type.Object(
  {
    lane: Type.Integer({ minimum: 0, maximum: 9_999 }),
    epoch: Type.Integer({ minimum: 1 }),
    /** Number of the lane's last reservation in this epoch. */
    sequence: Type.Integer({ minimum: 0 }),
    /** The version of the lane's control state. */
    version: Type.Integer({ minimum: 1 }),
    /** As in SnapshotRequest. */
    ends: Type.Optional(KafkaEnds),
  },
  { additionalProperties: false },
);
export type OpeningRequest = Static<typeof OpeningRequest>;

/**
 * Why an epoch may not open. `superseded`: there is a later one, or Postgres has reason to doubt it;
 * `behind`: Redis lacks reservations that Postgres stores; `ahead`: Postgres lacks reservations that Redis
 * made; `outdated`: Redis lacks a control state that it acknowledged. Each of them means: load a new
 * snapshot.
 */
export type OpeningRefusal = 'superseded' | 'behind' | 'ahead' | 'outdated';

/** Answer of `POST /internal/sales/:saleId/openings`. */
export interface Opening {
  epoch: number;
  granted: boolean;
  /** Present when it is not granted. */
  refusal?: OpeningRefusal;
}

/** Body of `POST /internal/sales/:saleId/verdicts`: holds that Redis has. */
export const VerdictsRequest = Type.Object(
  {
    /** As in SnapshotRequest. When absent, the answer is what Postgres has now. */
    ends: Type.Optional(KafkaEnds),
    reservationIds: Type.Array(ReservationId, { maxItems: LIMITS.rebuildPageMax }),
    /** Holds that were taken again. What is judged of these holds are the retakes, not the orders. */
    retakes: Type.Optional(
      Type.Array(
        Type.Object({ reservationId: ReservationId, retake: RetakeName }, { additionalProperties: false }),
        { maxItems: LIMITS.rebuildPageMax },
      ),
    ),
  },
  { additionalProperties: false },
);
export type VerdictsRequest = Static<typeof VerdictsRequest>;

/** Answer of `POST /internal/sales/:saleId/verdicts`. A reservation in neither list is a pending order. */
export interface Verdicts {
  /** What Postgres decided, for good. */
  ended: {
    reservationId: string;
    verdict: 'paid' | 'cancelled' | 'expired' | 'refused';
    /** The retake, for a hold that was taken again. */
    retake?: string;
    /** What came back of a paid order since. */
    returned?: Returned;
  }[];
  /** Postgres has no such order, or no such retake of it. */
  unknown: string[];
}

/** Query of `GET /internal/sales/:saleId/verdicts`: what ended since a snapshot was taken. */
export const EndedQuery = Type.Object(
  { since: SnapshotHorizon, after: Type.Optional(OrderCursor) },
  { additionalProperties: false },
);
export type EndedQuery = Static<typeof EndedQuery>;

/** Query of `GET /internal/sales/:saleId/returns`: every paid order of which something came back. */
export const ReturnsQuery = Type.Object(
  { after: Type.Optional(ReservationId) },
  { additionalProperties: false },
);

/** The answer to these two queries: the ends that were found among some of the sale's orders. */
export interface EndedPage {
  ended: Verdicts['ended'];
  /** There are more orders to look at: ask again with this. */
  after?: string;
}

/** Answer of `GET /internal/sales/:saleId/ledger`: Postgres' side of the audit, read in one snapshot. */
export interface LedgerReading {
  saleId: string;
  /** Postgres' clock, milliseconds since the epoch. */
  now: number;
  /** The newest epoch. */
  epoch: number;
  /** Counts in units. `sold` is the ledger's own count. Pending and paid are summed over the orders. */
  items: { sku: string; total: number; sold: number; pending: number; paid: number }[];
  lanes: {
    lane: number;
    /** The highest sequence of the newest epoch; 0: nothing is stored in it. */
    sequence: number;
    /** Sequences below the highest of their epoch that have no order, over all epochs (INV-2). */
    gaps: number;
  }[];
  /** Buyers with more units than the limit, channels with more than their cap (INV-6). */
  overLimit: number;
  overCap: number;
  /** Keys with more than one order that is not refused (INV-4). */
  doubleKeys: number;
  /** Pending orders more than 2 s past their end and the grace of expiry (INV-5). */
  overdue: number;
  /** The first offset of each partition of `seckill.reservations` that is not stored, by its number. */
  stored: KafkaEnds;
  /** Settlements of the sale that wait for Kafka. */
  orderOutbox: number;
  /** Dead letters that were replayed or are done, of any sale. */
  replayedDeadLetters: number;
}
