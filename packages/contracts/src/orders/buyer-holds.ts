import type { Reservation } from './reservation.ts';

/**
 * What Redis knows of a buyer in one sale. Answer of `GET /internal/buyers/holds`: one for each sale in which
 * the buyer may have an order without a row.
 */
export interface BuyerHolds {
  saleId: string;
  /** How many reservations the buyer has made in the sale, those that ended included. */
  taken: number;
  /** Those of them that wait for Kafka, newest last; the 100 newest. */
  unpublished: Reservation[];
}
