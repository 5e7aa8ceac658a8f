import { Type, type Static } from 'typebox';
import { ControlVerb } from '../lanes/control.ts';
import { SaleId, Sku } from '../values/ids.ts';
import { Instant } from '../values/instant.ts';
import { Metadata } from '../values/metadata.ts';
import {
  Components,
  Description,
  GroupMinimum,
  ImageUrl,
  ItemTotal,
  LateMoney,
  SaleChannelInput,
  SaleItemInput,
  Title,
} from './sale.ts';

const { total: _total, components: _components, limitPerBuyer, ...described } = SaleItemInput.properties;
const paused = Type.Optional(Type.Literal(true));

/** An item as order keeps it: what was sent, and what operators decided since. */
const StoredItem = Type.Object({ ...described, total: ItemTotal, limitPerBuyer, paused });
/** A kit has no units of its own, so it stands apart: whoever counts items need not know of it (D80). */
const StoredKit = Type.Object({ ...described, components: Components, paused });
export type StoredKit = Static<typeof StoredKit>;

/** A sale as order keeps it: defaults filled in, instants normal. */
export const SaleDefinition = Type.Object({
  id: SaleId,
  title: Title,
  description: Type.Optional(Description),
  image: Type.Optional(ImageUrl),
  metadata: Type.Optional(Metadata),
  opensAt: Instant,
  closesAt: Instant,
  holdSeconds: Type.Integer(),
  limitPerBuyer: Type.Optional(Type.Integer()),
  holdsPerBuyerMax: Type.Optional(Type.Integer()),
  rejoinSeconds: Type.Optional(Type.Integer()),
  /** Absent: `refund`. */
  lateMoney: Type.Optional(LateMoney),
  groupMinimum: Type.Optional(GroupMinimum),
  items: Type.Array(StoredItem),
  /** Absent: none. */
  kits: Type.Optional(Type.Array(StoredKit)),
  channels: Type.Array(SaleChannelInput),
});
export type SaleDefinition = Static<typeof SaleDefinition>;

/**
 * What order answers to the gateway for a sale. The counts come from stock. The gateway hides `partnerId` and
 * `cap` from everyone but operators.
 */
export const SaleRecord = Type.Object({
  definition: SaleDefinition,
  version: Type.Integer({ minimum: 1 }),
  /** What an operator decided; whether the window is open is judged by Redis' clock, in stock. */
  state: ControlVerb,
  /** Has stock applied this version? */
  acknowledged: Type.Boolean(),
  /**
   * Present when the sale is long over, nothing is left to settle, and stock may have forgotten it. These are
   * the last counts, from Postgres. Everything that is not paid is available.
   */
  retired: Type.Optional(
    Type.Object({
      items: Type.Array(Type.Object({ sku: Sku, total: Type.Integer(), paid: Type.Integer() })),
    }),
  ),
});
export type SaleRecord = Static<typeof SaleRecord>;

/** A sale that stock must hold. */
export interface SaleToLoad {
  saleId: string;
  /** The newest generation of its Redis state; 0: never loaded. */
  epoch: number;
  /** The sale is long over: stock may have removed its lanes, and need not load them again. */
  mayRetire: boolean;
  /** How many lanes the sale has; they are numbered from 0. */
  lanes: number;
}

/** Answer of `GET /internal/sales`: every sale that is not retired. */
export interface SalesToLoad {
  sales: SaleToLoad[];
}
