import { Type, type Static } from 'typebox';
import { ControlVerb, GateState, KitPart, type StockState } from './control.ts';
import { SaleId, Sku } from '../values/ids.ts';
import { LIMITS } from '../values/limits.ts';

/** Redis pub/sub channel on which stock announces the state of every lane. */
export const STATES_CHANNEL = 'seckill:states';

/**
 * In a cluster each node has a channel of its own, for what was read there. A gateway judges the age of a
 * state by the clock of the node that told it. Without a node, this is the channel of the one Redis.
 */
export function statesChannel(nodeId?: string): string {
  return nodeId === undefined ? STATES_CHANNEL : `${STATES_CHANNEL}:${nodeId}`;
}

/**
 * Redis pub/sub channel of changes and heartbeats. Each script that changes a lane tells so here, in the same
 * step as the change, and each stock process tells here that the Redis is the one it knows. Both take the
 * same way in the same order: whoever hears a heartbeat has heard of every change before it on the same node.
 */
export const CHANGES_CHANNEL = 'seckill:changes';

/** `reserved`: new entries in the outbox. `gate`: the lane was closed, opened or removed. */
export type ChangeKind = 'reserved' | 'settled' | 'control' | 'gate';

/** What a script tells of the lane that it changed. */
export interface Change {
  saleId: string;
  lane: number;
  what: ChangeKind;
  /** Redis' clock, milliseconds since the epoch. */
  at: number;
}

const CHANGE = /^([a-z0-9][a-z0-9-]{0,62}):(\d{1,4}) (reserved|settled|control|gate) (\d{1,15})$/;

/** Undefined for what no script of ours says. */
export function parseChange(text: string): Change | undefined {
  const [, saleId, lane, what, at] = CHANGE.exec(text) ?? [];
  if (saleId === undefined) return undefined;
  return { saleId, lane: Number(lane), what: what as ChangeKind, at: Number(at) };
}

/** Between two heartbeats of a stock process on one Redis. A gateway believes nothing older than a second. */
export const HEARTBEAT_MS = 250;

/**
 * What a stock process tells of a Redis that it serves. The process vouches that this Redis was the one named
 * until `now`. Without heartbeats, a gateway on a Redis that nobody sells from any more would hear of no
 * change, and take that for "nothing has changed".
 */
export const Heartbeat = Type.Object(
  {
    /** What this Redis' clock showed at least when it was told; milliseconds since the epoch. */
    now: Type.Integer({ minimum: 0 }),
    /** Identity of the Redis, as the salt of an announcement. */
    salt: Type.String({ maxLength: 128 }),
    /** Node of a cluster, and what tells its slots from others: a lane may have left it with its slot. */
    node: Type.Optional(Type.String({ maxLength: 64 })),
    slots: Type.Optional(Type.String({ maxLength: 64 })),
  },
  { additionalProperties: false },
);
export type Heartbeat = Static<typeof Heartbeat>;

/** Reservations in one announcement. A process that made more since its last one sends several. */
export const ANNOUNCED_RESERVATIONS_MAX = 2_000;

/**
 * What a stock process knows of a lane at one instant of Redis' clock (docs/recovery.md), and which keys
 * reserved through it since its last message. Instants are milliseconds since the epoch.
 */
export const Announcement = Type.Object(
  {
    saleId: SaleId,
    lane: Type.Integer({ minimum: 0, maximum: 9_999 }),
    gate: GateState,
    epoch: Type.Integer({ minimum: 0 }),
    version: Type.Integer({ minimum: 0 }),
    sequence: Type.Integer({ minimum: 0 }),
    now: Type.Integer({ minimum: 0 }),
    state: ControlVerb,
    opensAt: Type.Integer({ minimum: 0 }),
    closesAt: Type.Integer({ minimum: 0 }),
    limitPerBuyer: Type.Optional(Type.Integer({ minimum: 1 })),
    /** The lowest cap of a channel: what asks for no more is within its own. Absent: there is none. */
    capMin: Type.Optional(Type.Integer({ minimum: 0 })),
    items: Type.Array(
      Type.Object({
        sku: Sku,
        total: Type.Integer({ minimum: 0 }),
        available: Type.Integer({ minimum: 0 }),
        held: Type.Integer({ minimum: 0 }),
        paused: Type.Optional(Type.Literal(true)),
        minQuantity: Type.Optional(Type.Integer({ minimum: 1 })),
        step: Type.Optional(Type.Integer({ minimum: 1 })),
        limitPerBuyer: Type.Optional(Type.Integer({ minimum: 1 })),
      }),
      { maxItems: LIMITS.itemsMax },
    ),
    /** What is made of these items, with the paused and the quantities as theirs; absent: nothing. */
    kits: Type.Optional(
      Type.Array(
        Type.Object({
          sku: Sku,
          parts: Type.Array(KitPart),
          paused: Type.Optional(Type.Literal(true)),
          minQuantity: Type.Optional(Type.Integer({ minimum: 1 })),
          step: Type.Optional(Type.Integer({ minimum: 1 })),
        }),
        { maxItems: LIMITS.itemsMax },
      ),
    ),
    /** What hashes of keys are made with (`saltedKeyHash`). Another salt makes all earlier hashes void. */
    salt: Type.String({ maxLength: 128 }),
    /**
     * Sequence and hash of user and key (`saltedKeyHash`) in turn, all of this epoch.
     */
    reservations: Type.Array(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }), {
      maxItems: 2 * ANNOUNCED_RESERVATIONS_MAX,
    }),
  },
  { additionalProperties: false },
);
export type Announcement = Static<typeof Announcement>;

/**
 * A sale with more reservations is not answered from memory. This many take 5.3 MB on the way and 29 MB in
 * each gateway (measured).
 */
export const FULL_RESERVATIONS_MAX = 1_000_000;

/** Answer of `GET /internal/sales/:saleId/state?full=true`: what announcements build on. */
export interface FullState extends StockState {
  channels: string[];
  /** The same salt as in an announcement. */
  salt: string;
  /**
   * Every reservation whose key the lane knows, among them those of sequences 1 to `sequence` and of earlier
   * epochs: hashes of user and key, base64 of 32-bit numbers, little-endian.
   * Absent when there are more than `FULL_RESERVATIONS_MAX`, or when the lane was loaded anew during the
   * reading.
   */
  reservations?: string;
}
