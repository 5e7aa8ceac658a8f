/**
 * What one of each can do, as measured, for `npm run plan`. A figure that is measured again replaces the old one here,
 * with its conditions: nothing else in the plan is a number from experience.
 */
export interface Capacity {
  value: number;
  unit: string;
  source: string;
}

export const CAPACITY = {
  gatewayRequests: {
    value: 6_600,
    unit: 'requests/s of one gateway process',
    source:
      'prototype of the design, 2026-11-22, gateway, stock, Redis and load on two cores, one request a call; batched it was 11,000 to 13,000',
  },
  stockReservations: {
    value: 11_000,
    unit: 'reservations/s of one stock process',
    source:
      'prototype of the design, 2026-11-22, gateway, stock, Redis and load on two cores, batched; the lower of 11,000 to 13,000',
  },
  laneReservations: {
    value: 26_000,
    unit: 'reservations/s of one Redis, appendfsync always',
    source: 'reserve script alone, 128 callers, two cores, 2026-11-22; the lower of 26,000 to 30,000',
  },
  intakeRows: {
    value: 91_000,
    unit: 'rows/s of one intake process into PostgreSQL',
    source:
      'insert of 500 rows by unnest, two cores, 2026-11-22; without the ledger and the network between them',
  },
  ledgerTransactions: {
    value: 1_600,
    unit: 'transactions/s on one row of the ledger',
    source: 'prototype of the design, 2026-11-22, two cores',
  },
  outboxBytes: {
    value: 300,
    unit: 'bytes of Redis for an entry of the outbox',
    source: 'docs/operating.md, RELAY_OUTBOX_COUNT_MAX',
  },
} as const satisfies Record<string, Capacity>;
