import { Type, type Static } from 'typebox';
import { ControlVerb, GateState, type StockState } from './control.ts';
import { SaleId, Sku } from './ids.ts';
import { LIMITS } from './limits.ts';

/** Redis pub/sub channel on which stock announces the state of every lane. */
export const STATES_CHANNEL = 'seckill:states';

/**
 * In a cluster each node has a channel of its own, for what was read there. A gateway judges the age of a
 * state by the clock of the node that told it. Without a node, this is the channel of the one Redis.
 */
export function statesChannel(nodeId?: string): string {
  return nodeId === undefined ? STATES_CHANNEL : `${STATES_CHANNEL}:${nodeId}`;
}

/** Users in one announcement. A process that made more reservations since its last one sends several. */
export const ANNOUNCED_USERS_MAX = 2_000;

/**
 * What a stock process knows of a lane at one instant of Redis' clock (docs/recovery.md), and who reserved
 * through it since its last message. Instants are milliseconds since the epoch.
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
    items: Type.Array(
      Type.Object({
        sku: Sku,
        available: Type.Integer({ minimum: 0 }),
        held: Type.Integer({ minimum: 0 }),
      }),
      { maxItems: LIMITS.itemsMax },
    ),
    /** Sequence and hash of the user (`fnv1a`) in turn, all of this epoch. */
    users: Type.Array(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }), {
      maxItems: 2 * ANNOUNCED_USERS_MAX,
    }),
  },
  { additionalProperties: false },
);
export type Announcement = Static<typeof Announcement>;

/**
 * A sale with more users is not answered from memory. This many take 5.3 MB on the way and 29 MB in each
 * gateway (measured).
 */
export const FULL_USERS_MAX = 1_000_000;

/** Answer of `GET /internal/sales/:saleId/state?full=true`: what announcements build on. */
export interface FullState extends StockState {
  channels: string[];
  /**
   * Hashes of all users who have a key in the lane, among them those of sequences 1 to `sequence` and of
   * earlier epochs: base64 of 32-bit numbers, little-endian. Absent when there are more than
   * `FULL_USERS_MAX`, or when the lane was loaded anew during the reading.
   */
  users?: string;
}
