export interface OrderRow {
  id: string;
  sale_id: string;
  epoch: number;
  sequence: number;
  user_id: string;
  idempotency_key: string;
  /** The units that were taken. */
  lines: { sku: string; quantity: number }[];
  /** What was bought, where a kit is among it. */
  bought?: { sku: string; quantity: number }[] | null;
  /** What came back since it was paid. */
  returned?: { lines: { sku: string; returned: number; restocked: number }[] } | null;
  channel_id: string | null;
  status: 'pending' | 'paid' | 'cancelled' | 'expired' | 'refused';
  expires_at: Date;
  ended_at: Date | null;
}

export interface PaymentRow {
  order_id: string;
  result: 'paid' | 'refund_due' | 'recorded' | 'retaking';
}

export interface LedgerRow {
  sku: string;
  total: number;
  sold: number;
}
