import { Type, type Static } from 'typebox';
import { ChannelId, SaleId, Sku } from '../values/ids.ts';
import { LIMITS } from '../values/limits.ts';

/** What an operator decided by hand; the window opens and closes by itself, by Redis' clock. */
export const ControlVerb = Type.Union([Type.Literal('open'), Type.Literal('paused'), Type.Literal('closed')]);
export type ControlVerb = Static<typeof ControlVerb>;

const Quantity = Type.Integer({ minimum: 1, maximum: LIMITS.quantityMax });
export const KitPart = Type.Object({ sku: Sku, quantity: Quantity }, { additionalProperties: false });
const AdjustmentId = Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$' });

/**
 * The whole control state of a sale, as order hands it to stock: absolute values under a version.
 * Stock applies only a higher version, so repeats and reordering are harmless (docs/recovery.md).
 */
export const ControlState = Type.Object(
  {
    saleId: SaleId,
    /** Raised by order at each change of control state; starts at 1. */
    version: Type.Integer({ minimum: 1 }),
    /**
     * The highest epoch that order distrusts; 0: none. Order distrusts an epoch when a refused order or a row
     * that came late contradicts what Redis sold under it. Stock closes a lane that stands at this epoch or
     * below, and loads it anew before it acknowledges.
     */
    distrustedEpoch: Type.Integer({ minimum: 0 }),
    state: ControlVerb,
    lanes: Type.Integer({ minimum: 1, maximum: 1 }),
    /** Milliseconds since the epoch, judged by Redis' TIME. */
    opensAt: Type.Integer({ minimum: 0 }),
    closesAt: Type.Integer({ minimum: 0 }),
    holdMs: Type.Integer({ minimum: 1 }),
    /** Units one buyer may hold or buy over the whole sale; absent: no limit. */
    limitPerBuyer: Type.Optional(Type.Integer({ minimum: 1 })),
    /** Reservations one buyer may make in the whole sale, whatever becomes of them; absent: no bound. */
    holdsPerBuyerMax: Type.Optional(Type.Integer({ minimum: 1 })),
    /** How long a buyer may not reserve after a hold of theirs has ended unpaid; absent: no such time. */
    rejoinMs: Type.Optional(Type.Integer({ minimum: 1 })),
    currency: Type.String({ pattern: '^[A-Z]{3}$' }),
    items: Type.Array(
      Type.Object(
        {
          sku: Sku,
          price: Type.Integer({ minimum: 0 }),
          total: Type.Integer({ minimum: 0 }),
          /** Nobody reserves it until an operator resumes it; absent: it sells. */
          paused: Type.Optional(Type.Literal(true)),
          /** Units that one line asks for at least, and of which it asks for a multiple; absent: 1. */
          minQuantity: Type.Optional(Quantity),
          step: Type.Optional(Quantity),
          /** Units one buyer may hold or buy of it; absent: as many as the sale's limit allows. */
          limitPerBuyer: Type.Optional(Type.Integer({ minimum: 1 })),
          /**
           * Units to be taken out of `total`, as many as are available. The total is without them once
           * that is decided. Stock takes them out once for each id.
           */
          adjustment: Type.Optional(
            Type.Object(
              { id: AdjustmentId, quantity: Type.Integer({ minimum: 1 }) },
              { additionalProperties: false },
            ),
          ),
        },
        { additionalProperties: false },
      ),
    ),
    /** Absent: none. */
    kits: Type.Optional(
      Type.Array(
        Type.Object(
          {
            sku: Sku,
            price: Type.Integer({ minimum: 0 }),
            /** Items of this state, and how many units of each one kit takes. */
            parts: Type.Array(KitPart, { minItems: 1 }),
            paused: Type.Optional(Type.Literal(true)),
            minQuantity: Type.Optional(Quantity),
            step: Type.Optional(Quantity),
          },
          { additionalProperties: false },
        ),
      ),
    ),
    channels: Type.Array(
      Type.Object(
        { id: ChannelId, cap: Type.Optional(Type.Integer({ minimum: 0 })) },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);
export type ControlState = Static<typeof ControlState>;

/**
 * Answer of `PUT /internal/sales/:saleId`: the version and the epoch at which the sale's lanes are open now.
 */
export const ControlAcknowledgement = Type.Object({
  saleId: SaleId,
  version: Type.Integer(),
  epoch: Type.Integer(),
  /** What the lane has taken out for the adjustments of the control state, at this epoch. */
  adjusted: Type.Optional(Type.Array(Type.Object({ id: AdjustmentId, taken: Type.Integer({ minimum: 0 }) }))),
});
export type ControlAcknowledgement = Static<typeof ControlAcknowledgement>;

/**
 * Tells whether a lane may sell. `missing`: never loaded, or lost. `rebuilding`: closed for a load or a
 * check. `stale`: opened under another Redis process. `open`: yes.
 */
export const GateState = Type.Union([
  Type.Literal('missing'),
  Type.Literal('rebuilding'),
  Type.Literal('stale'),
  Type.Literal('open'),
]);
export type GateState = Static<typeof GateState>;

/** Answer of `GET /internal/sales/:saleId/state`, summed over the lanes. */
export const StockState = Type.Object({
  saleId: SaleId,
  gate: GateState,
  epoch: Type.Integer(),
  version: Type.Integer(),
  /** Highest sequence of the lane: how many reservations it made in this epoch. */
  sequence: Type.Integer(),
  /** Redis' clock, milliseconds since the epoch. */
  now: Type.Integer(),
  state: ControlVerb,
  opensAt: Type.Integer(),
  closesAt: Type.Integer(),
  /** Entries waiting for Kafka. */
  outbox: Type.Integer(),
  items: Type.Array(
    Type.Object({
      sku: Sku,
      total: Type.Integer(),
      available: Type.Integer(),
      held: Type.Integer(),
      paid: Type.Integer(),
      paused: Type.Optional(Type.Literal(true)),
      /** The lowest quantity that is sold. */
      minQuantity: Type.Optional(Type.Integer()),
      step: Type.Optional(Type.Integer()),
      limitPerBuyer: Type.Optional(Type.Integer()),
    }),
  ),
});
export type StockState = Static<typeof StockState>;
