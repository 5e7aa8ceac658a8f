import { Type, type Static } from 'typebox';
import { CAUSES, type CauseCode } from '../problems/causes.ts';
import type { StockState } from '../lanes/control.ts';
import { ChannelId, SaleId, Sku } from '../values/ids.ts';
import { Instant } from '../values/instant.ts';
import { SaleState } from '../sales/sale.ts';
import type { SaleRecord } from '../sales/sale-record.ts';

const CauseName = Type.Unsafe<CauseCode>(
  Type.Union((Object.keys(CAUSES) as CauseCode[]).map((code) => Type.Literal(code))),
);

/** `all`: nobody can reserve. `part`: some buyers or some items. `nothing`: it sells, but see to it. */
const CauseStops = Type.Union([Type.Literal('all'), Type.Literal('part'), Type.Literal('nothing')]);
export type CauseStops = Static<typeof CauseStops>;

/** One reason why a sale sells nothing, or not all that it could, or will soon stop to. */
export const SaleCause = Type.Object({
  code: CauseName,
  stops: CauseStops,
  /** Absent where nobody knows it. */
  since: Type.Optional(Instant),
  /** When it ends by itself; absent where that is not known. */
  until: Type.Optional(Instant),
  /** Who decided it, and the reason that was given. */
  by: Type.Optional(Type.String()),
  reason: Type.Optional(Type.String()),
  skus: Type.Optional(Type.Array(Sku)),
  channels: Type.Optional(Type.Array(ChannelId)),
  /** Limits per buyer that somebody has used up, and by how many buyers at least. */
  limits: Type.Optional(
    Type.Array(
      Type.Object({
        /** The item whose limit it is; absent: that of the sale. */
        sku: Type.Optional(Sku),
        limit: Type.Integer(),
        buyers: Type.Integer(),
      }),
    ),
  ),
  /** What is so, in the language of the caller. */
  text: Type.String(),
  /** What to do about it. */
  do: Type.String(),
});
export type SaleCause = Static<typeof SaleCause>;

const Units = Type.Integer({ minimum: 0 });

/** Answer of `GET /v1/sales/:saleId/explain`. All counts are units. */
export const SaleExplanation = Type.Object({
  saleId: SaleId,
  /** Absent while neither stock nor order can tell. */
  state: Type.Optional(SaleState),
  /** Somebody could reserve something now. */
  selling: Type.Boolean(),
  /** What stops all comes first. Empty: nothing is to be said. */
  because: Type.Array(SaleCause),
  /**
   * `total = available + held + paid + writtenOff`: by Redis' counts, or by the ledger's while Redis cannot
   * be asked.
   */
  items: Type.Array(
    Type.Object({
      sku: Sku,
      total: Units,
      available: Units,
      held: Units,
      paid: Units,
      /** Came back of paid orders, and is for sale again. Absent while order cannot be asked. */
      returned: Type.Optional(Units),
      /** Came back of paid orders, and is gone for good. */
      writtenOff: Type.Optional(Units),
    }),
  ),
  /** As Redis counts, by its clock; `paid` has what was written off. Absent: it cannot be asked. */
  redis: Type.Optional(
    Type.Object({
      asOf: Instant,
      items: Type.Array(Type.Object({ sku: Sku, total: Units, available: Units, held: Units, paid: Units })),
    }),
  ),
  /** As the ledger counts, by PostgreSQL's clock. What is on its way from Redis is not in it. */
  ledger: Type.Optional(
    Type.Object({
      asOf: Instant,
      items: Type.Array(
        Type.Object({
          sku: Sku,
          total: Units,
          pending: Units,
          paid: Units,
          returned: Units,
          writtenOff: Units,
        }),
      ),
    }),
  ),
  /** What is between the two, where it is known. */
  onTheWay: Type.Object({
    /** Reservations of the sale that wait for Kafka, and how many may. */
    outbox: Type.Optional(Units),
    outboxMax: Type.Optional(Units),
    /** Reservations that PostgreSQL has not stored, those that wait for Kafka among them. */
    unstored: Type.Optional(Units),
    /** Ends of holds, of all sales, that wait for Kafka. */
    settlements: Type.Optional(Units),
  }),
});
export type SaleExplanation = Static<typeof SaleExplanation>;

/** Answer of stock's `GET /internal/sales/:saleId/standing`: what stock knows of why a sale sells or not. */
export interface StockStanding {
  /** Absent while Redis cannot be asked, or holds what nobody can read. */
  state?: StockState;
  /** Redis answers, and holds of this sale what no script of ours wrote. */
  isDamaged?: true;
  /** Absent where stock is of a release that cannot tell it, as is all that it told besides its state. */
  kafka?: 'answers' | 'away';
  /** Since when this process asks Kafka in vain, by its own clock. */
  kafkaAwaySince?: number;
  outboxMax?: number;
  /** When the oldest entry of the outbox was reserved, by Redis' clock; absent: none waits. */
  oldestWaiting?: number;
  /** Channels whose cap is used up. */
  fullChannels: string[];
  /**
   * Since when this process has seen the lane closed or out of reach, by its own clock; absent: it has not.
   */
  closedSince?: number;
}

/** An operator's decision that lasts. Instants are milliseconds since the epoch. */
export interface Decided {
  at: number;
  by?: string;
  reason?: string;
}

/** Answer of order's `GET /v1/sales/:saleId/standing`: what order knows of why a sale sells or not. */
export interface OrderStanding {
  record: SaleRecord;
  /** Postgres' clock. */
  now: number;
  items: NonNullable<SaleExplanation['ledger']>['items'];
  /** The last reservation of the sale that is stored: its epoch and sequence. Absent: none of it. */
  stored?: { epoch: number; sequence: number };
  /** When the version of now was made, and when the sale was paused or closed last. */
  changedAt?: number;
  paused?: Decided;
  closed?: Decided;
  pausedItems: (Decided & { sku: string })[];
  /** When an item or a channel was reserved last, of the newest orders. */
  lastOfItems: { sku: string; at: number }[];
  lastOfChannels: { channelId: string; at: number }[];
  /** Buyers who have all that a limit allows, of the newest orders; absent: there is no limit. */
  buyersAtLimit?: number;
  /** The limits that these buyers have used up, and when the first of them did. */
  limitsReached?: { sku?: string; limit: number; buyers: number; since: number }[];
  outbox: { count: number; oldestAt?: number };
}
