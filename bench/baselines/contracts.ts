import { formatInstant, type Reservation } from '@seckill/contracts';

export {
  detailOf,
  ReserveRequest,
  SaleId,
  SaleInput,
  type Reservation,
  type SaleItemInput,
} from '@seckill/contracts';

export interface ItemCounts {
  total: number;
  available: number;
  held: number;
  orders: number;
}

const HOLD_MS = 900_000;

/** Makes the body of a 201 in the product's form, so that the answers that are compared are alike. */
export function toReservation(facts: {
  id: string;
  saleId: string;
  userId: string;
  sku: string;
  quantity: number;
  channelId: string | undefined;
  price: number;
  currency: string;
  reservedAt: number;
}): Reservation {
  const { id, saleId, userId, sku, quantity, channelId, price, currency, reservedAt } = facts;
  return {
    id,
    saleId,
    userId,
    lines: [{ sku, quantity, price: { amount: price, currency } }],
    ...(channelId === undefined ? {} : { channelId }),
    status: 'pending',
    amount: { amount: quantity * price, currency },
    reservedAt: formatInstant(reservedAt),
    expiresAt: formatInstant(reservedAt + HOLD_MS),
  };
}
