/**
 * What one of each can do, as measured, for `npm run plan`. A figure that is measured again replaces the old one here,
 * with its conditions: nothing else in the plan is a number from experience.
 */
export interface Capacity {
  value: number;
  unit: string;
  source: string;
}

const COMPARED =
  'npm run bench -- compare, 3 rounds, everything on two shared cores, 2026-11-22, commit 2f2a7de';

export const CAPACITY = {
  gatewayRequests: {
    value: 5_600,
    unit: 'requests/s of one gateway process on one core',
    source: `176 µs of CPU for an accepted reservation; ${COMPARED}`,
  },
  stockReservations: {
    value: 6_800,
    unit: 'reservations/s of one stock process with all its roles on one core',
    source: `146 µs of CPU for an accepted reservation, relay and settler included; ${COMPARED}`,
  },
  laneReservations: {
    value: 36_000,
    unit: 'reservations/s of one Redis, appendfsync always',
    source: `reserve.lua alone, pipelines of 128 on four connections, the lowest of 36,688 to 40,763; ${COMPARED}`,
  },
  intakeRows: {
    value: 8_000,
    unit: 'rows/s of one intake process into PostgreSQL, ledger and offsets included',
    source: `drain of a backlog with Kafka and PostgreSQL on the same two cores, the lowest of 8,051 to 11,980; ${COMPARED}`,
  },
  ledgerTransactions: {
    value: 1_600,
    unit: 'transactions/s on one row of the ledger',
    source: 'prototype of the design, 2026-11-22, two cores',
  },
  outboxBytes: {
    value: 300,
    unit: 'bytes of Redis for an entry of the outbox',
    source: 'docs/operating/configuration.md, RELAY_OUTBOX_COUNT_MAX',
  },
} as const satisfies Record<string, Capacity>;
