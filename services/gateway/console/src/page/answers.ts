/** What the page reads of the API's answers. */

export interface Item {
  sku: string;
  title: string | { en?: string; zh?: string };
  total: number;
  available: number;
  held: number;
  paid: number;
  /** What one kit is made of. Absent: the item is no kit, and has units of its own. */
  components?: { sku: string; quantity: number }[];
  paused?: boolean;
}

export interface Sale {
  id: string;
  title: string | { en?: string; zh?: string };
  state: string;
  version: number;
  opensAt: string;
  closesAt: string;
  serverTime: string;
  items: Item[];
  channels?: { id: string; kind: string; title: string; partnerId?: string; cap?: number }[];
}

export interface Audit {
  inFlight: { outbox: number; kafkaLag: number; orderOutbox: number; deadLetters: number };
  verdict: string;
  invariants: Record<string, string>;
  findings: string[];
}

export interface Change {
  at: string;
  by: string;
  action: string;
  reason?: string;
}

export interface Money {
  amount: number;
  currency: string;
}

export interface Line {
  sku: string;
  quantity: number;
}

export interface Order {
  id: string;
  saleId: string;
  userId?: string;
  lines: Line[];
  status: string;
  amount: Money;
  reservedAt: string;
  expiresAt: string;
  paidAt?: string;
  endedAt?: string;
  pickedUpAt?: string;
  pickupCode?: string;
  refundDue?: Money;
  payments?: { paymentId: string; amount: Money; result: string; reason?: string; at: string }[];
  returned?: { sku: string; quantity: number; restocked: boolean; at: string }[];
  [field: string]: unknown;
}

export interface Page<Row> {
  data: Row[];
  nextCursor?: string;
}

export const unitsOf = ({ lines }: { lines: Line[] }): number =>
  lines.reduce((all, { quantity }) => all + quantity, 0);
