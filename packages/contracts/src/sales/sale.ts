import { Type, type Static } from 'typebox';
import { ChannelId, SaleId, Sku } from '../values/ids.ts';
import { Instant, InstantInput } from '../values/instant.ts';
import { LIMITS } from '../values/limits.ts';
import { Price } from '../values/money.ts';
import { Metadata } from '../values/metadata.ts';
import { localText, plainText } from '../values/text.ts';

export const Title = localText(LIMITS.titleLengthMax);
export const Description = localText(LIMITS.descriptionLengthMax);
/**
 * The address of a picture. Pages of shops load it, so it is https, has no user or password in it, and none
 * of the characters that end an attribute or a style.
 */
export const ImageUrl = Type.String({
  maxLength: LIMITS.imageLengthMax,
  pattern:
    '^https://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?(?:[/?#][A-Za-z0-9._~:/?#@!$&*+,;=%-]*)?$',
});

/** What a page shows of a sale or an item, and what a shop keeps with it. */
const SHOWN = {
  description: Type.Optional(Description),
  image: Type.Optional(ImageUrl),
  metadata: Type.Optional(Metadata),
};
/** What a line of an item may ask for. Absent: any quantity. */
const QUANTITIES = {
  /** Units at least, a multiple of `step`. */
  minQuantity: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.quantityMax })),
  /** A multiple of so many units: 6 for crates of six. */
  step: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.quantityMax })),
};
/** Units of the item that one buyer may hold or buy; absent: as many as the sale's limit allows. */
const LIMIT = {
  limitPerBuyer: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.totalMax })),
};
/** Names of a shop's own: of partners and pick-up points. */
export const OpaqueId = Type.String({ pattern: plainText(128) });
/**
 * A group purchase: fewer units than these, reserved and paid together, and the purchase fails. Absent: none.
 */
export const GroupMinimum = Type.Integer({ minimum: 1, maximum: LIMITS.totalMax });

export const ChannelKind = Type.Union([
  Type.Literal('community'),
  Type.Literal('content'),
  Type.Literal('store'),
  Type.Literal('platform'),
]);

export const ItemTotal = Type.Integer({ minimum: 0, maximum: LIMITS.totalMax });
/** What a kit is made of. */
export const Components = Type.Array(
  Type.Object(
    { sku: Sku, quantity: Type.Integer({ minimum: 1, maximum: LIMITS.quantityMax }) },
    { additionalProperties: false },
  ),
  { minItems: 1, maxItems: LIMITS.componentsMax },
);

/** A kit has `components` and neither `total` nor `limitPerBuyer`. Any other item has a `total`. */
export const SaleItemInput = Type.Object(
  {
    sku: Sku,
    title: Title,
    ...SHOWN,
    price: Price,
    total: Type.Optional(ItemTotal),
    components: Type.Optional(Components),
    ...QUANTITIES,
    ...LIMIT,
  },
  { additionalProperties: false },
);
export type SaleItemInput = Static<typeof SaleItemInput>;

export const SaleChannelInput = Type.Object(
  {
    id: ChannelId,
    kind: ChannelKind,
    title: Title,
    partnerId: Type.Optional(OpaqueId),
    pickupPointId: Type.Optional(OpaqueId),
    /** The most units this channel may hold or buy; absent: no cap. */
    cap: Type.Optional(Type.Integer({ minimum: 0, maximum: LIMITS.totalMax })),
    /**
     * Units of the orders that come through this channel. With it these orders do not count for the sale's
     * own group.
     */
    groupMinimum: Type.Optional(GroupMinimum),
    metadata: Type.Optional(Metadata),
  },
  { additionalProperties: false },
);
export type SaleChannelInput = Static<typeof SaleChannelInput>;

/**
 * What becomes of money that comes after the hold has expired. `refund`: it is due for refund. `retake`: the
 * units are taken again when they are there, and else it is due for refund.
 */
export const LateMoney = Type.Union([Type.Literal('refund'), Type.Literal('retake')]);

/** What an operator sends. */
export const SaleInput = Type.Object(
  {
    id: Type.Optional(SaleId),
    title: Title,
    ...SHOWN,
    opensAt: Type.Optional(InstantInput),
    closesAt: InstantInput,
    holdSeconds: Type.Optional(
      Type.Integer({ minimum: LIMITS.holdSecondsMin, maximum: LIMITS.holdSecondsMax }),
    ),
    limitPerBuyer: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.totalMax })),
    holdsPerBuyerMax: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.holdsPerBuyerMax })),
    rejoinSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.rejoinSecondsMax })),
    /** Absent: `refund`. */
    lateMoney: Type.Optional(LateMoney),
    /**
     * Units that all orders must reach together, without those of channels that have a group of their own.
     */
    groupMinimum: Type.Optional(GroupMinimum),
    items: Type.Array(SaleItemInput, { minItems: 1, maxItems: LIMITS.itemsMax }),
    channels: Type.Optional(Type.Array(SaleChannelInput, { maxItems: LIMITS.channelsMax })),
  },
  { additionalProperties: false },
);
export type SaleInput = Static<typeof SaleInput>;

/** Why an operator changes something. The audit trail keeps the reason. */
export const Reason = Type.String({ pattern: plainText(LIMITS.reasonLengthMax) });

/** Body of an operator's call that needs no other: it may say why. */
export const ReasonRequest = Type.Object({ reason: Type.Optional(Reason) }, { additionalProperties: false });
export type ReasonRequest = Static<typeof ReasonRequest>;

/**
 * Body of `PATCH /v1/sales/:saleId`. What is absent stays. A channel that is named is given as a whole, and
 * one that is not named stays.
 */
export const SalePatch = Type.Object(
  {
    title: Type.Optional(Title),
    ...SHOWN,
    opensAt: Type.Optional(InstantInput),
    closesAt: Type.Optional(InstantInput),
    holdSeconds: Type.Optional(
      Type.Integer({ minimum: LIMITS.holdSecondsMin, maximum: LIMITS.holdSecondsMax }),
    ),
    /** `null`: no limit any more. */
    limitPerBuyer: Type.Optional(
      Type.Union([Type.Integer({ minimum: 1, maximum: LIMITS.totalMax }), Type.Null()]),
    ),
    channels: Type.Optional(Type.Array(SaleChannelInput, { maxItems: LIMITS.channelsMax })),
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false },
);
export type SalePatch = Static<typeof SalePatch>;

/** Body of `POST /v1/sales/:saleId/items/:sku/restock`: units added to the total. */
export const RestockRequest = Type.Object(
  {
    quantity: Type.Integer({ minimum: 1, maximum: LIMITS.totalMax }),
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false },
);
export type RestockRequest = Static<typeof RestockRequest>;

/**
 * Body of `POST /v1/sales/:saleId/items/:sku/adjust`: units taken out of the total, as a number below 0.
 * Others are refused with the call that adds units.
 */
export const AdjustRequest = Type.Object(
  {
    quantity: Type.Integer({ minimum: -LIMITS.totalMax, maximum: LIMITS.totalMax }),
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false },
);
export type AdjustRequest = Static<typeof AdjustRequest>;

export const SaleState = Type.Union([
  Type.Literal('loading'),
  Type.Literal('scheduled'),
  Type.Literal('open'),
  Type.Literal('paused'),
  Type.Literal('closed'),
]);
export type SaleState = Static<typeof SaleState>;

export const SoldOut = Type.Union([Type.Literal('no'), Type.Literal('held'), Type.Literal('final')]);
export type SoldOut = Static<typeof SoldOut>;

export const SaleItem = Type.Object({
  sku: Sku,
  title: Title,
  ...SHOWN,
  price: Price,
  ...QUANTITIES,
  ...LIMIT,
  /**
   * What one kit is made of. Absent: the item is no kit. The counts of a kit are those that its parts allow.
   */
  components: Type.Optional(Components),
  total: Type.Integer(),
  available: Type.Integer(),
  held: Type.Integer(),
  paid: Type.Integer(),
  soldOut: SoldOut,
  /** An operator paused it: it cannot be reserved now. Absent: it is not. */
  paused: Type.Optional(Type.Boolean()),
});

/**
 * What everyone reads. Operators read all channels, with `partnerId` and `cap`. Others read the channel that
 * they ask for, or none.
 */
export const Sale = Type.Object({
  id: SaleId,
  title: Title,
  ...SHOWN,
  opensAt: Instant,
  closesAt: Instant,
  holdSeconds: Type.Integer(),
  limitPerBuyer: Type.Optional(Type.Integer()),
  holdsPerBuyerMax: Type.Optional(Type.Integer()),
  rejoinSeconds: Type.Optional(Type.Integer()),
  /** For operators only. */
  lateMoney: Type.Optional(LateMoney),
  groupMinimum: Type.Optional(GroupMinimum),
  items: Type.Array(SaleItem),
  channels: Type.Optional(Type.Array(SaleChannelInput)),
  state: SaleState,
  version: Type.Integer(),
  serverTime: Instant,
});
export type Sale = Static<typeof Sale>;

/** Answer of the call `adjust`: the units that could be taken out, as a number below 0, or 0. */
export const AdjustAnswer = Type.Object({ adjusted: Type.Integer({ maximum: 0 }), sale: Sale });

/** What changes while a sale sells: the data of the event `counts`. */
export const SaleCounts = Type.Object({
  state: SaleState,
  version: Type.Integer(),
  items: Type.Array(
    Type.Object({
      sku: Sku,
      total: Type.Integer(),
      available: Type.Integer(),
      held: Type.Integer(),
      paid: Type.Integer(),
      soldOut: SoldOut,
    }),
  ),
  serverTime: Instant,
});
export type SaleCounts = Static<typeof SaleCounts>;

/** The data of the event `heartbeat`. */
export interface SaleHeartbeat {
  /** Who loses the connection comes back after a second, and a part of this, by chance. */
  spreadMs: number;
}

/** Answer of `GET /v1/sales/:saleId/channels`, without what is for operators only. */
export const SaleChannels = Type.Object({ channels: Type.Array(SaleChannelInput) });
export type SaleChannels = Static<typeof SaleChannels>;
