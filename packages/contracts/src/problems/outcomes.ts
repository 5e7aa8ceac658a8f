/**
 * Why a reservation is refused, in order of precedence: if more than one applies, the first is answered. The
 * header of `scripts/lua/reserve.lua`, the catalogue in problems.ts and docs/http-api.md keep this order, and
 * a test compares them. Two answers have no place in it. `outcome_unknown` replaces whatever the outcome was,
 * and `internal` is our own bug. The gateway answers `overloaded` before anything else when the gateway
 * itself sheds load.
 */
export const RESERVE_OUTCOMES = [
  'unauthenticated',
  'rate_limited',
  'forbidden',
  'body_too_large',
  'unsupported_media_type',
  'invalid_request',
  'overloaded',
  'sale_unavailable',
  'sale_not_found',
  'key_reused',
  'sale_closed',
  'sale_paused',
  'sale_not_open',
  'sku_not_found',
  'channel_not_found',
  'quantity_not_allowed',
  'item_paused',
  'sold_out',
  'limit_reached',
  'holds_exceeded',
  'rejoin_later',
  'channel_full',
] as const;
export type ReserveOutcome = (typeof RESERVE_OUTCOMES)[number];
