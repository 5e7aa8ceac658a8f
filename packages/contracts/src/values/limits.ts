/**
 * Bounds of the contracts. The bounds of the public API are checked at the edge. Other bounds belong to the
 * calls between the services.
 */
export const LIMITS = {
  /** Characters of a user id: it becomes part of a Redis hash field per buyer. */
  userIdLengthMax: 128,
  idempotencyKeyLengthMax: 255,
  reservationIdLengthMax: 128,
  refLengthMax: 64,
  titleLengthMax: 200,
  descriptionLengthMax: 2_000,
  imageLengthMax: 1_024,
  /**
   * UTF-8 bytes of `metadata` as compact JSON, and objects and lists within one another. A reservation's
   * metadata is kept in Redis for as long as the hold's record, so it bounds memory.
   */
  metadataBytesMax: 2_048,
  metadataDepthMax: 5,
  /**
   * Characters of a contact's members. Together they bound what a sealed contact takes of Redis: 2.1 kB.
   */
  contactNameLengthMax: 64,
  contactPhoneLengthMax: 32,
  contactNoteLengthMax: 200,
  /** Keys of an operator that open contacts. Each but the first adds 31 bytes to a call to stock. */
  contactKeysMax: 8,
  reasonLengthMax: 200,
  linesMax: 20,
  quantityMax: 100,
  itemsMax: 50,
  /** Different items that a kit is made of. */
  componentsMax: 20,
  /** Units of one item in a message: of 20 lines of 100 kits that have 100 of it each. */
  messageUnitsMax: 200_000,
  channelsMax: 1_000,
  totalMax: 10_000_000,
  /** Minor units. 10^9 × 100 × 20 lines stays far below 2^53, so sums are exact in Lua and JavaScript. */
  priceAmountMax: 1_000_000_000,
  holdSecondsMin: 1,
  holdSecondsMax: 86_400,
  holdSecondsDefault: 900,
  holdsPerBuyerMax: 1_000_000,
  rejoinSecondsMax: 86_400,
  ordersPageDefault: 20,
  salesPageDefault: 20,
  /** Bytes of a request body; a sale with 1,000 channels needs more than a reservation. */
  bodyBytesMax: 16_384,
  saleBodyBytesMax: 1_048_576,
  /**
   * Standard Webhooks says below 20 kB. A larger notice is money all the same, so this bounds only what one
   * notice costs us.
   */
  noticeBytesMax: 262_144,
  /**
   * Reservations in one call from gateway to stock. The limit bounds the time one pipeline keeps Redis busy.
   */
  reserveBatchMax: 256,
  /**
   * A rebuild raises the epoch by one, so a hundred rebuilds a second reach this bound in 300 years. Without
   * the bound one wrong number in a message could use up all epochs.
   */
  epochMax: 1_000_000_000_000,
  /**
   * Orders in one page of a snapshot, and holds in one question for verdicts: about 200 kB.
   */
  rebuildPageMax: 500,
  /** Orders in one call from order to stock that take their units again: 2 ms of Redis' time. */
  retakeBatchMax: 100,
  /** Orders among which one question looks for ends: 0.3 µs of Postgres' time each. */
  endedScanMax: 20_000,
} as const;
