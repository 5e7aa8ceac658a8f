import { Type, type Static } from 'typebox';
import { Contact } from './contact.ts';
import { ChannelId, PickupCode, ReservationId, SaleId, Sku, UserId } from '../values/ids.ts';
import { Instant } from '../values/instant.ts';
import { LIMITS } from '../values/limits.ts';
import { pageCursor, PageLimit } from '../values/page.ts';
import { CsvFormat } from './report.ts';
import { OpaqueId, Reason } from '../sales/sale.ts';

const PickupLine = Type.Object({ sku: Sku, quantity: Type.Integer() });

/** A paid order as whoever hands it out needs it. */
export const Pickup = Type.Object({
  orderId: ReservationId,
  userId: UserId,
  code: Type.String(),
  /** What is to be handed out: what was bought and did not come back. */
  lines: Type.Array(PickupLine),
  /** Where the order is handed out; absent for an order of no channel. */
  channelId: Type.Optional(ChannelId),
  contact: Type.Optional(Contact),
  /** When it was handed out; absent: it waits. */
  pickedUpAt: Type.Optional(Instant),
});
export type Pickup = Static<typeof Pickup>;

/** As the services tell it each other: its contact is sealed. */
export type SealedPickup = Omit<Pickup, 'contact'> & { contact?: string };

export const PickupPage = Type.Object({
  data: Type.Array(Pickup),
  nextCursor: Type.Optional(Type.String()),
  /** Units that are still to be handed out, of all pages. On the first page only. */
  load: Type.Optional(Type.Array(Type.Object({ sku: Sku, units: Type.Integer() }))),
});
export type PickupPage = Static<typeof PickupPage>;
export type SealedPickupPage = Omit<PickupPage, 'data'> & { data: SealedPickup[] };

/** The query of the list of pick-ups. */
export const PickupsQuery = Type.Object(
  {
    /** Orders that are handed out there. Absent: all of the sale. */
    channelId: Type.Optional(ChannelId),
    format: Type.Optional(CsvFormat),
    limit: Type.Optional(PageLimit),
    cursor: Type.Optional(pageCursor(4 * LIMITS.reservationIdLengthMax)),
  },
  { additionalProperties: false },
);
export type PickupsQuery = Static<typeof PickupsQuery>;

/** Body of `POST /v1/pickups`. */
export const PickupRequest = Type.Object(
  {
    saleId: SaleId,
    /** Where the code is shown; absent: at no pick-up point, and the code is one of the sale. */
    pickupPointId: Type.Optional(OpaqueId),
    code: PickupCode,
  },
  { additionalProperties: false },
);
export type PickupRequest = Static<typeof PickupRequest>;

/** Body of `POST /v1/orders/:orderId/move`. */
export const MoveRequest = Type.Object(
  {
    /** The channel at whose pick-up point the order is handed out from now on. */
    channelId: ChannelId,
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false },
);
export type MoveRequest = Static<typeof MoveRequest>;
