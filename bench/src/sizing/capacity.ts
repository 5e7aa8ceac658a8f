/**
 * What one of each part can do, as measured, for `npm run plan`. A figure that is measured again replaces the
 * old one here, with its conditions. Nothing else in the plan is a number from experience.
 */
export interface Capacity {
  value: number;
  unit: string;
  source: string;
}

/** Seven and five rounds on two shared cores, under a load below 2 before they began. */
const QUIET =
  'bench/results/2026-11-23-compare.md: everything on two shared cores, commits a2eb708 and c60b2bc';
/**
 * Five rounds on two cores under a load of 26. Rates of such a run say nothing of a core, and CPU for each
 * answer says too much: at 444 reservations a second a batch of stock and of order holds fewer. A gateway's
 * work for an answer hangs little on that, so its figure is of this run.
 */
const BUSY = 'bench/results/2026-11-29-compare.md: everything on two busy cores, commit 5a9ed29';

export const CAPACITY = {
  gatewayRequests: {
    value: 4_400,
    unit: 'requests/s of one gateway process on one core',
    source: `227 µs of CPU for an accepted reservation; ${BUSY}`,
  },
  stockReservations: {
    value: 7_400,
    unit: 'reservations/s of one stock process with all its roles on one core',
    source: `134 µs of CPU for an accepted reservation, relay and settler included; ${QUIET}`,
  },
  laneReservations: {
    value: 48_000,
    unit: 'reservations/s of one Redis, appendfsync always',
    source: `reserve.lua alone, 64 requests a call, pipelines of 128 requests on four connections, the lowest of 48,644 to 89,928; ${QUIET}; beside a minimal script it was as fast on 2026-11-29 (0.38, then 0.36)`,
  },
  intakeRows: {
    value: 6_500,
    unit: 'rows/s of one intake process into PostgreSQL, ledger and offsets included',
    source: `drain of a backlog with Kafka and PostgreSQL on the same two cores, the lowest of 6,565 to 15,687; ${QUIET}`,
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
