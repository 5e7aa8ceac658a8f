import type { ControlState } from './control.ts';

/** An order as load.lua needs it: the buyer's units and the first answer to the key. */
export interface SnapshotOrder {
  reservationId: string;
  /** Of the reservation itself, not of the snapshot: its hold may have to be published again. */
  epoch: number;
  sequence: number;
  userId: string;
  idempotencyKey: string;
  fingerprint: string;
  lines: { sku: string; quantity: number; price: number }[];
  channelId?: string;
  ref?: string;
  reservedAt: number;
  expiresAt: number;
  status: 'pending' | 'paid' | 'cancelled' | 'expired';
}

/** Answer of `POST /internal/sales/:saleId/snapshots`: order raised the epoch and tells what the sale is. */
export interface Snapshot {
  epoch: number;
  control: ControlState;
  orders: SnapshotOrder[];
}

/** Answer of `POST /internal/sales/:saleId/openings`: whether this epoch is still the newest. */
export interface Opening {
  epoch: number;
  granted: boolean;
}
