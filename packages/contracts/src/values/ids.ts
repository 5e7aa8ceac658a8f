import { Type } from 'typebox';
import { fnv1a } from './hash.ts';
import { LIMITS } from './limits.ts';

export const SaleId = Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$' });
export const ChannelId = Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$' });
export const Sku = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' });
/** Six digits, or more where six are used up (services/order/src/ledger/pickup-codes.ts). */
export const PickupCode = Type.String({ pattern: '^[0-9]{6,15}$' });
/** Visible ASCII only: neither a space nor a line feed, which separate fields in Redis records. */
export const UserId = Type.String({ pattern: `^[\\x21-\\x7e]{1,${LIMITS.userIdLengthMax}}$` });
export const IdempotencyKey = Type.String({
  pattern: `^[\\x21-\\x7e]{1,${LIMITS.idempotencyKeyLengthMax}}$`,
});
const RESERVATION_ID = '^[a-z0-9][a-z0-9-]{0,62}\\.[0-9]{1,4}\\.[A-Za-z0-9_-]{16,43}$';
/** The reservation's id, opaque to clients. The order has the same id. */
export const ReservationId = Type.String({ pattern: RESERVATION_ID });

export interface ReservationIdParts {
  saleId: string;
  lane: number;
  /**
   * Stock makes this part. At least 96 bits of it are random, in base64url, so that an id cannot be guessed.
   */
  suffix: string;
}

export function formatReservationId(parts: ReservationIdParts): string {
  return `${parts.saleId}.${parts.lane}.${parts.suffix}`;
}

const reservationId = new RegExp(RESERVATION_ID);

/** Undefined when the text is not one of our ids (then nothing can be stored under it). */
export function parseReservationId(id: string): ReservationIdParts | undefined {
  if (!reservationId.test(id)) return undefined;
  const [saleId, lane, suffix] = id.split('.');
  if (saleId === undefined || lane === undefined || suffix === undefined) return undefined;
  return { saleId, lane: Number(lane), suffix };
}

/** A buyer always lands in the same lane, so that the limit per buyer and the keys stay local (D13). */
export function laneOf(userId: string, lanes: number): number {
  return fnv1a(userId) % lanes;
}
