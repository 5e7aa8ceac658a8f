/** `npm run demo -- --json FILE`. All counts are units, not orders. */
export interface DemoSale {
  saleId: string;
  total: number;
  /** Units of the 201s that the crowd heard, once for each reservation. */
  acceptedUnits: number;
  /** Units of the rows that Postgres holds. */
  storedUnits: number;
  /** Units of rows pending or paid. */
  liveUnits: number;
  paidUnits: number;
  /** Live units beyond the total; 0 or INV-1 is broken. */
  oversold: number;
  /** Answers by outcome code. */
  rejected: Record<string, number>;
}

export interface DemoResult {
  ok: boolean;
  invariants: Record<string, boolean>;
  sales: DemoSale[];
  seconds: number;
}
